// `env.ANALYTICS`: datasets of Analytics Engine.

import { writeDataPoint } from "taffrail:javascript/host@0.1.0";

export class AnalyticsEngineDataset {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  writeDataPoint({ blobs = [], doubles = [], indexes = [] } = {}) {
    const text = (value) => (value === null || value === undefined ? null : String(value));
    const point = {
      blobs: blobs.map(text),
      doubles: doubles.map(Number).map((double) => (Number.isFinite(double) ? double : 0)),
      indexes: indexes.map(text),
    };
    try {
      writeDataPoint(this.#binding, JSON.stringify(point));
    } catch (error) {
      throw new TypeError(error.payload);
    }
  }
}
