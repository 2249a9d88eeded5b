export default {
  async scheduled(controller, env, ctx) {
    console.log(`${controller.cron} is due at ${new Date(controller.scheduledTime).toISOString()}`);
    ctx.waitUntil(beat(env.TARGET));
  },
};

async function beat(target) {
  const response = await fetch(target);
  if (!response.ok) throw new Error(`${target} answered with ${response.status}`);
}
