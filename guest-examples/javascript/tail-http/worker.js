export default {
  async tail(events, env, ctx) {
    ctx.waitUntil(send(events, env.ENDPOINT));
  },
};

async function send(events, endpoint) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(events),
  });
  if (!response.ok) console.warn(`${endpoint} answered with ${response.status}`);
}
