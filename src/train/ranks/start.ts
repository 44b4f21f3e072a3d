/**
 * One state on all ranks: they begin with what the first has, whatever they drew or read themselves, and are compared
 * after each epoch, since ranks that have come apart would train different models with each other's gradients.
 */
import { createHash } from 'node:crypto';
import type { PartState } from '../../core/state.js';
import { assign, type Module } from '../../nn/module.js';
import { decodeCheckpoint, encodeCheckpoint } from '../checkpoint.js';
import { type Parts, restoreParts, statesOf } from '../parts.js';
import { RanksError } from './mpi.js';
import type { Ranks } from './ranks.js';

/**
 * The states of parts for a rank that needs them; null for others. Where a network is spread over ranks all of them read
 * it, so all have to ask.
 */
export async function statesFor(
  needed: boolean,
  ranks: Ranks,
  parts: Parts,
): Promise<Map<string, PartState> | null> {
  if (!needed && ranks.replicas === ranks) return null;
  const states = await statesOf(parts);
  return needed ? states : null;
}

/** Sets the parts of all ranks to the states of the first's. @throws {DataError} when they don't fit */
export async function shareStart(ranks: Ranks, parts: Parts): Promise<void> {
  if (ranks.size === 1) return;
  const states = await statesFor(ranks.rank === 0, ranks, parts);
  const pieces = states ? encodeCheckpoint({ about: null, parts: states }) : [];
  const [length = 0] = await ranks.sum([pieces.reduce((bytes, piece) => bytes + piece.length, 0)]);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  await ranks.broadcast(whole);
  // The checkpoint's seal is the proof that what came is what was sent.
  if (ranks.rank > 0) restoreParts(parts, decodeCheckpoint(whole, 'rank 0').parts, 'rank 0');
}

/**
 * Sets buffers of all ranks to those of the first: a running mean, of which each rank knows that of its shares alone.
 */
export async function shareBuffers(ranks: Ranks, model: Module): Promise<void> {
  if (ranks.size === 1) return;
  for (const [name, x] of model.namedBuffers()) assign(name, x, await ranks.broadcast(await x.data()));
}

/**
 * @param when for the message: 'after epoch 3'
 * @throws {RanksError} on all ranks when the parameters of one aren't the first's, to the bit
 */
export async function checkAlike(ranks: Ranks, model: Module, when: string): Promise<void> {
  if (ranks.size === 1) return;
  const hash = createHash('sha1');
  for (const x of model.parameters()) {
    const data = await x.data();
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const [first, ...others] = (await ranks.gather(hash.digest())).map((bytes) => bytes.join());
  const odd = 1 + others.findIndex((other) => other !== first);
  if (odd === 0) return;
  throw new RanksError(
    `${when} the parameters of rank ${odd} (${ranks.hosts[odd]}) aren't those of rank 0 (${ranks.hosts[0]}): ranks ` +
      'must compute the same bits from the same numbers; give them the same kind of device, and CPUs of different ' +
      'kinds `deterministic`',
  );
}
