// `env.ANALYTICS`: Analytics Engine datasets.

import { isFinite, listed, mapped, stringify } from "./builtins.js";
import { writeDataPoint } from "./host.js";

export class AnalyticsEngineDataset {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  writeDataPoint({ blobs = [], doubles = [], indexes = [] } = {}) {
    const point = {
      __proto__: null,
      blobs: mapped(listed(blobs), text),
      doubles: mapped(listed(doubles), number),
      indexes: mapped(listed(indexes), text),
    };
    try {
      writeDataPoint(this.#binding, stringify(point));
    } catch (error) {
      throw new TypeError(error.payload);
    }
  }
}

function text(value) {
  return value === null || value === undefined ? null : String(value);
}

function number(value) {
  const double = Number(value);
  return isFinite(double) ? double : 0;
}
