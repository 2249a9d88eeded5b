export interface Item {
  scriptName: string | null;
  outcome: string;
  event: { request?: { method: string; url: string }; cron?: string } | null;
  logs: { level: string; message: unknown[] }[];
  exceptions: { name: string; message: string }[];
}

// An item in one line: what happened, how it ended, and what it said.
export function describe({ scriptName, outcome, event, logs, exceptions }: Item): string {
  const request = event?.request;
  const what = request ? `${request.method} ${new URL(request.url).pathname}` : (event?.cron ?? "");
  const failures = exceptions.map(({ name, message }) => `${name}: ${message}`);
  const said = [...logs.map(({ message }) => message.map(text).join(" ")), ...failures];
  return [`${scriptName} ${what} ${outcome}`, ...said].join(" | ");
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
