/**
 * Weights from a file into a module: renamed, converted, and those that fit, with a report of what did not.
 */
import { readOptions, requireBoolean, wrongArgument } from '../core/arguments.js';
import { ArgumentError } from '../core/errors.js';
import { formatShape, type Shape, sameShape, sizeOf } from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { joinedShape, Module } from '../nn/module.js';
import { type Convert, type Rename, renamed } from './conventions.js';
import { printable } from './printable.js';

/** How weights are taken. */
export interface LoadOptions {
  /** Names in the file to names in the module; null leaves a weight out. Default: they are the same. */
  readonly rename?: Rename | undefined;
  /** Changes before the names, in order (conventions.ts). Default: none. */
  readonly convert?: readonly Convert[] | undefined;
  /** Whether anything that doesn't fit is an error (true, the default), or in the report alone. */
  readonly strict?: boolean | undefined;
}

/** A weight whose shape isn't the module's. */
export interface LoadMismatch {
  /** In the module. */
  readonly name: string;
  /** In the file, converted. */
  readonly given: Shape;
  /** In the module. */
  readonly expected: Shape;
}

/** What became of weights. All names are those in the module. */
export interface LoadReport {
  /** Set. */
  readonly loaded: readonly string[];
  /** In the module, and not in the file: as they were. */
  readonly missing: readonly string[];
  /** In the file, and not in the module. */
  readonly left: readonly string[];
  /** In both, of different shapes: as they were. */
  readonly mismatched: readonly LoadMismatch[];
}

/** Most names of a kind that a message lists. */
const mostListed = 12;

/**
 * Sets a module's parameters and buffers from weights by name:
 *
 *     const { tensors } = decodeCaffe(bytes, 'bvlc_alexnet.caffemodel');
 *     await loadWeights(net, tensors, { convert: [fromBgr('conv1.weight')], rename: { 'fc8.weight': 'head.weight' } });
 *
 * Numbers are converted to the types that the module has.
 * @returns what fitted and what didn't
 * @throws {ArgumentError} when strict, listing all that doesn't fit; then nothing changed
 */
export async function loadWeights(
  module: Module,
  tensors: StateDict,
  options: LoadOptions = {},
): Promise<LoadReport> {
  if (!(module instanceof Module)) throw wrongArgument('loadWeights', 'module', module, 'a Module');
  if (!(tensors instanceof Map))
    throw wrongArgument(
      'loadWeights',
      'tensors',
      tensors,
      'a Map of names to { shape, data }, as readers give it',
    );
  const { rename, convert, strict } = readOptions('loadWeights', options, {
    rename: {},
    convert: [],
    strict: true,
  });
  requireBoolean('loadWeights', 'strict', strict);
  const given = [...convert, renamed(rename)].reduce<StateDict>((state, change) => change(state), tensors);
  const shapes = new Map<string, Shape>();
  for (const [name, pieces] of module.joinedParameters()) shapes.set(name, joinedShape(pieces));
  for (const [name, { shape }] of module.namedBuffers()) shapes.set(name, shape);
  const fitting = new Map<string, HostTensor>();
  const missing: string[] = [];
  const mismatched: LoadMismatch[] = [];
  for (const [name, expected] of shapes) {
    const tensor = given.get(name);
    if (!tensor) missing.push(name);
    else if (!sameShape(tensor.shape, expected) || tensor.data.length !== sizeOf(expected))
      mismatched.push({ name, given: tensor.shape, expected });
    else fitting.set(name, tensor);
  }
  const left = [...given.keys()].filter((name) => !shapes.has(name));
  const report = { loaded: [...fitting.keys()], missing, left, mismatched };
  const whole = fitting.size === shapes.size;
  if (strict && (!whole || left.length > 0)) throw new ArgumentError(`loadWeights: ${problemsOf(report)}`);
  if (fitting.size > 0)
    module.loadStateDict(whole ? fitting : new Map([...(await module.stateDict()), ...fitting]));
  return report;
}

function problemsOf({ missing, left, mismatched }: LoadReport): string {
  const shapes = mismatched.map(
    ({ name, given, expected }) => `${name} (${formatShape(given)}, expected ${formatShape(expected)})`,
  );
  const kinds = [
    ['missing', missing],
    ['of another shape', shapes],
    ['left over', left],
  ] as const;
  return kinds
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => {
      const more = names.length > mostListed ? `, and ${names.length - mostListed} more` : '';
      return `${kind}: ${names
        .slice(0, mostListed)
        .map((name) => printable(name, 120))
        .join(', ')}${more}`;
    })
    .join('; ');
}
