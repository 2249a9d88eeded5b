// The engine with a script in it, for `taffrail build`.

import { embed, script } from "./engine.js";
import source from "./script.txt";

embed(source);

export { script };
