// The events of a streaming tail: plain objects, of which JSON can hold all but the
// method that returns a request as it was.

import { define, keys, mapped } from "./builtins.js";

// `raw` is the unredacted request, if the event is the onset of one.
export function tailEvent(fields, raw) {
  fields.timestamp = new Date(fields.timestamp);
  const { event } = fields;
  if (event.type === "onset") complete(event.info, raw);
  return fields;
}

function complete(info, raw) {
  if (info.scheduledTime !== undefined) info.scheduledTime = new Date(info.scheduledTime);
  if (raw === undefined) return;
  const { method, url, headers } = raw;
  const names = keys(headers);
  const pairs = () => mapped(names, (name) => ({ name, value: headers[name] }));
  const getUnredacted = () => ({ ...info, method, url, headers: pairs() });
  define(info, "getUnredacted", { value: getUnredacted, writable: true, configurable: true });
}
