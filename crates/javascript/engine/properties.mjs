// Writes the characters of `\p{…}` in regular expressions to `properties.json`, since
// the engine has no Unicode tables.

import index from "regenerate-unicode-properties";
import aliases from "unicode-property-aliases-ecmascript";
import values from "unicode-match-property-value-ecmascript/data/mappings.js";
import { createRequire } from "node:module";
import { writeFile } from "node:fs/promises";

const require = createRequire(import.meta.url);
const names = (map) => Object.fromEntries([...map].flatMap(([alias, name]) => [[alias, name], [name, name]]));

// The positions where membership changes, each as the distance from the previous one.
function changes({ data }) {
  return data.map((at, index) => (at - (data[index - 1] ?? 0)).toString(36)).join(" ");
}

const sets = {};
const strings = {};
for (const [property, all] of index) {
  for (const value of all) {
    const set = require(`regenerate-unicode-properties/${property}/${value}.js`);
    sets[`${property}/${value}`] = changes(set.characters);
    if (set.strings) strings[`${property}/${value}`] = set.strings;
  }
}
const written = {
  properties: names(aliases),
  values: Object.fromEntries([...values].map(([property, map]) => [property, names(map)])),
  sets,
  strings,
};
await writeFile("properties.json", JSON.stringify(written));
