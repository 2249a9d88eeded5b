// The members of URL that do not throw.

import { addMembers } from "./classes.js";

function parsed(url, base) {
  try {
    return base === undefined ? new URL(url) : new URL(url, base);
  } catch {
    return null;
  }
}

export function install() {
  addMembers(URL, { canParse: (url, base) => parsed(url, base) !== null, parse: parsed });
}
