// Makes the engine component: `node build.mjs SOURCE WIT OUTPUT`, where SOURCE is
// the engine's JavaScript in one file.

import { componentize } from "@bytecodealliance/componentize-js";
import { writeFile } from "node:fs/promises";
import { argv } from "node:process";

const [sourcePath, witPath, output] = argv.slice(2);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName: "engine",
  // Events come through `script`.
  disableFeatures: ["fetch-event"],
});
await writeFile(output, component);
