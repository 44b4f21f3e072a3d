/**
 * What the parent and a library's process say to each other. Each library has a process of its own, so that none
 * meets another's globals, and one that takes too long can be ended.
 */
import type { WorkSizes } from './work.js';

/** What a process is started with, as JSON in its last argument. */
export interface Task {
  readonly peer: string;
  readonly threads: number;
  /** Vulkan driver file for WebGPU, '' for the system's. */
  readonly driver: string;
  /** The interpreter that has PyTorch. */
  readonly python: string;
  readonly sizes: WorkSizes;
}

/** Parent to library: prepare a row and run it once; take a sample; let the row go. */
export type Request =
  | { readonly kind: 'start'; readonly row: number }
  | { readonly kind: 'sample' }
  | { readonly kind: 'end' };

/** Library to parent. */
export type Reply =
  | { readonly kind: 'open' }
  | { readonly kind: 'result'; readonly data: Float32Array; readonly milliseconds: number }
  | { readonly kind: 'sample'; readonly milliseconds: number; readonly cpu: number }
  | { readonly kind: 'ended' }
  | { readonly kind: 'cannot'; readonly message: string };

/** Whether a message is one of ours, by its kind. */
export function isRequest(value: unknown): value is Request {
  return hasKind(value) && ['start', 'sample', 'end'].includes(value.kind);
}

/** The same for answers. */
export function isReply(value: unknown): value is Reply {
  return hasKind(value) && ['open', 'result', 'sample', 'ended', 'cannot'].includes(value.kind);
}

function hasKind(value: unknown): value is { kind: string } {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string';
}

/** The task in a text. */
export function parseTask(text: string): Task {
  const task: Task = JSON.parse(text);
  return task;
}
