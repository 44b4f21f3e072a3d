/**
 * What this JavaScript engine's WebAssembly can do, found out by validating modules of a few bytes.
 */
import { isNode, nodeModule } from '../../nodeModule.js';

const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** One function type, [] -> [v128], and one function of it. */
const signature = [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0];

/** A module of one function with the given instructions (fewer than 100 bytes). */
function moduleOf(code: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0, ...code, 0x0b];
  return new Uint8Array([...header, ...signature, 10, body.length + 2, 1, body.length, ...body]);
}

const zero = [0x41, 0, 0xfd, 0x11]; // i32.const 0, i32x4.splat
const madd = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd

/** Whether 128-bit SIMD is there. */
export function hasSimd(): boolean {
  return WebAssembly.validate(moduleOf(zero));
}

/**
 * Whether relaxed SIMD is there. Node 20 has it behind a flag that can be set while running, in each thread; it is
 * set only where the first look failed, because later versions warn of a flag they don't know.
 */
export async function enableRelaxedSimd(): Promise<boolean> {
  const module = moduleOf([...zero, ...zero, ...zero, ...madd]);
  if (WebAssembly.validate(module)) return true;
  if (!isNode()) return false;
  const v8 = await nodeModule('node:v8');
  v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(module);
}

/** Threads that can run at the same time here. */
export async function availableThreads(): Promise<number> {
  if (!isNode()) return Math.max(1, navigator.hardwareConcurrency);
  const os = await nodeModule('node:os');
  return os.availableParallelism();
}

/**
 * Why there can be no threads that share memory here, and what to do about it; null where there can be. In browsers only
 * pages that are isolated from other sites share memory, and only they and their dedicated workers start threads.
 */
export function whyNoThreads(): string | null {
  if (isNode()) return null;
  if (typeof Worker !== 'function') return 'shared and service workers start no threads';
  if (globalThis.crossOriginIsolated) return null;
  return globalThis.isSecureContext
    ? 'this page lacks the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
    : 'this page came by plain http, and only https and localhost may share memory between threads';
}
