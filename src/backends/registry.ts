/**
 * The kinds of backends there are. A new one is a folder beside `cpu/` and `webgpu/` and a line in `kinds`; it is
 * loaded when its first device is opened.
 */
import type { BackendKind } from './kind.js';

const kinds = {
  cpu: async () => (await import('./cpu/index.js')).cpu,
  webgpu: async () => (await import('./webgpu/index.js')).webgpu,
};

/** The name of a kind: 'cpu', 'webgpu'. */
type Kind = keyof typeof kinds;

type OptionsOf<K extends Kind> =
  Awaited<ReturnType<(typeof kinds)[K]>> extends BackendKind<infer Options> ? Options : never;

type Takes<K extends Kind> = K extends Kind ? (options: OptionsOf<K>) => void : never;

/** All kinds' options at once (their intersection), for names that are known only at run time. */
export type AnyOptions = Takes<Kind> extends (options: infer Options) => void ? Options : never;

/** Names of devices: the kind, and a number that tells devices of a kind apart. */
export type DeviceName = `${Kind}:${number}`;

/** Whether a text names a device. */
export function isDeviceName(text: string): text is DeviceName {
  return kindOf(text) !== null;
}

/** The kind that a device's name begins with, null where there is none. */
export function kindOf(name: string): Kind | null {
  const kind = /^(\w+):\d+$/.exec(name)?.[1];
  return kind !== undefined && isKind(kind) ? kind : null;
}

function isKind(text: string): text is Kind {
  return Object.hasOwn(kinds, text);
}

/** Loads a kind's code. */
export async function loadKind(kind: Kind): Promise<Awaited<ReturnType<(typeof kinds)[Kind]>>> {
  return kinds[kind]();
}

/** 'cpu:0, cpu:1, .., webgpu:0, webgpu:1, ..', for messages. */
export const exampleNames = Object.keys(kinds)
  .map((kind) => `${kind}:0, ${kind}:1, ..`)
  .join(', ');
