// The engine with an embedded script, for `taffrail build`.

import { embed, script } from "./engine.js";
import source from "./script.txt";

embed(source);

export { script };
