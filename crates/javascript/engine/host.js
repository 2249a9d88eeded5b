// The functions of the host. They can be taken only once (`build.mjs`), and are taken
// here before any script runs. A script that imports the same modules finds none.

import { take as takeConsole } from "taffrail:workers/console@0.2.0";
import { take as takeDiagnostics } from "taffrail:workers/diagnostics-channel@0.2.0";
import { take as takeExceptions } from "taffrail:workers/exceptions@0.2.0";
import { take as takeHost } from "taffrail:javascript/host@0.1.0";

export const { log, logErrors } = takeConsole();
export const { publish } = takeDiagnostics();
export const { report, uncaught } = takeExceptions();
export const {
  abandon,
  closeSpan,
  end,
  enter,
  enterSpan,
  finish,
  forward,
  frames,
  hangUp,
  nextEvent,
  objectId,
  openSpan,
  passThrough,
  respond,
  send,
  setResult,
  sourceText,
  spanAttributes,
  storage,
  write,
  writeDataPoint,
} = takeHost();
