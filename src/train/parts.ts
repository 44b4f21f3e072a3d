/**
 * The named parts of a training: what its checkpoints hold, each with a state of its own.
 *
 * All are checked before any is set, so that a checkpoint of something else changes nothing.
 */
import { ArgumentError, DataError } from '../core/errors.js';
import type { PartState, StateDict, Stateful } from '../core/state.js';
import { checkBelonging, Module } from '../nn/module.js';
import type { Optimizer } from '../nn/optimizer.js';

/** Parts by name: letters, digits, `-` and `_`. A module's state is its state dict. */
export type Parts = Readonly<Record<string, Stateful | Module>>;

/** A module's parameters and buffers as a state. */
export function moduleState(module: Module): Stateful {
  const noTensors: StateDict = new Map();
  return {
    state: async () => ({ tensors: await module.stateDict() }),
    checkState: ({ tensors = noTensors }) => checkBelonging('parameters', module, tensors, (x) => x),
    loadState: ({ tensors = noTensors }) => module.loadStateDict(tensors),
  };
}

/** What an optimizer remembers of a model's parameters as a state. */
export function optimizerState(optimizer: Optimizer, model: Module): Stateful {
  return {
    state: () => optimizer.state(model),
    checkState: (state) => optimizer.checkState(state, model),
    loadState: (state) => optimizer.loadState(state, model),
  };
}

/** The states of all parts. */
export async function statesOf(parts: Parts): Promise<Map<string, PartState>> {
  const states = new Map<string, PartState>();
  for (const [name, part] of Object.entries(parts)) states.set(name, await asState(part).state());
  return states;
}

/**
 * Sets parts to their states; others that a checkpoint holds are left alone.
 * @param from where the states are from, for messages
 * @throws {DataError} when a state is missing or doesn't fit its part; then nothing changed.
 */
export function restoreParts(parts: Parts, states: ReadonlyMap<string, PartState>, from: string): void {
  const found = Object.entries(parts).map(([name, part]) => {
    const state = states.get(name);
    if (!state) {
      const held = [...states.keys()].join(', ');
      throw new DataError(`${from}: holds ${held}, but no state of '${name}'`);
    }
    try {
      asState(part).checkState(state);
    } catch (error) {
      if (!(error instanceof ArgumentError || error instanceof DataError)) throw error;
      throw new DataError(`${from}: the state of '${name}' doesn't fit: ${error.message}`, { cause: error });
    }
    return { part, state };
  });
  for (const { part, state } of found) asState(part).loadState(state);
}

/** @throws {ArgumentError} for a name that a checkpoint can't hold, or that `taken` has */
export function checkPartNames(parts: Parts, taken: readonly string[]): void {
  for (const name of Object.keys(parts)) {
    if (!/^[\w-]+$/.test(name)) {
      throw new ArgumentError(`parts: '${name}' can't name a part, only letters, digits, - and _ can`);
    }
    if (taken.includes(name)) throw new ArgumentError(`parts: '${name}' is taken, choose another name`);
  }
}

function asState(part: Stateful | Module): Stateful {
  return part instanceof Module ? moduleState(part) : part;
}
