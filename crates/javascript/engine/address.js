// URLs of requests.

import { indexOf, setUrlPassword, setUrlUsername, slice, startsWith, urlText } from "./builtins.js";

// Returns a URL without the parts that are not sent: the fragment and the credentials.
export function plainAddress(text) {
  const hash = indexOf(text, "#");
  const address = hash < 0 ? text : slice(text, 0, hash);
  if (indexOf(address, "@") < 0) return address;
  const url = new URL(address);
  setUrlUsername(url, "");
  setUrlPassword(url, "");
  return urlText(url);
}

export function isHttp(address) {
  return startsWith(address, "http:") || startsWith(address, "https:");
}
