export const LEVELS = ["debug", "info", "log", "warn", "error"] as const;
export const MODELS = ["stateless", "durableObject", "workflow"] as const;
export const SOCKET_EVENTS = ["message", "close", "error"] as const;
export const OUTCOMES = [
  "unknown",
  "ok",
  "exception",
  "exceededCpu",
  "killSwitch",
  "daemonDown",
  "scriptNotFound",
  "canceled",
  "exceededMemory",
  "loadShed",
  "responseStreamDisconnected",
  "internalError",
  "exceededWallTime",
  "aborted",
] as const;

export interface TailRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
  cf?: unknown;
  getUnredacted(): TailRequest;
}

export interface Failure {
  name: string;
  message: string;
  stack?: string;
}

export interface EventInfo {
  request?: TailRequest;
  response?: { status: number };
  rpcMethod?: string;
  cron?: string;
  scheduledTime?: number | Date;
  queue?: string;
  batchSize?: number;
  mailFrom?: string;
  rcptTo?: string;
  rawSize?: number;
  consumedEvents?: { scriptName: string | null }[];
  getWebSocketEvent?: {
    webSocketEventType: (typeof SOCKET_EVENTS)[number];
    code?: number;
    wasClean?: boolean;
  };
}

export interface Item {
  event: EventInfo | null;
  eventTimestamp: number | null;
  logs: {
    timestamp: number;
    level: (typeof LEVELS)[number];
    message: unknown[];
    errorInfo?: (Failure | null)[];
  }[];
  exceptions: (Failure & { timestamp: number })[];
  diagnosticsChannelEvents: { timestamp: number; channel: string; message?: unknown }[];
  scriptName: string | null;
  entrypoint?: string;
  scriptVersion?: { id?: string; tag?: string; message?: string };
  scriptTags?: string[];
  dispatchNamespace?: string;
  tailAttributes?: Record<string, string | number | boolean>;
  preview?: { id: string; slug: string; name: string };
  durableObjectId?: string;
  executionModel: (typeof MODELS)[number];
  outcome: (typeof OUTCOMES)[number];
  truncated: boolean;
  cpuTime: number;
  wallTime: number;
  invocationId: string;
  requestId: string;
  parentInvocationId?: string;
  peakMemory?: number;
  exceededLimit?: { key: string; value: number };
  dropped?: { logs: number; exceptions: number; diagnosticsChannelEvents: number };
  lostItems?: number;
}
