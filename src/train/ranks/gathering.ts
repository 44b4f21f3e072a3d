/**
 * What ranks found out about their shares, put together: all of them have all of it then, in an order that doesn't
 * depend on how many there are.
 */
import type { Unreadable } from '../../data/dataset.js';
import { list, object, parseJson, text } from '../../formats/json.js';
import type { Ranks } from './ranks.js';

/** A table of numbers, of which each row has a number of its own. */
interface NumberedRows {
  readonly numbers: readonly number[];
  /** One of each number, all of one length. */
  readonly rows: readonly Float32Array[];
}

/** The rows of all ranks, by rising number. For all ranks to call. */
export async function gatherRows(ranks: Ranks, own: NumberedRows): Promise<NumberedRows> {
  if (ranks.size === 1) return own;
  const together = new Float32Array(own.rows.reduce((length, row) => length + row.length, 0));
  let at = 0;
  for (const row of own.rows) {
    together.set(row, at);
    at += row.length;
  }
  const numbers = await ranks.gather(new Uint8Array(Uint32Array.from(own.numbers).buffer));
  const tables = await ranks.gather(new Uint8Array(together.buffer));
  const found = numbers.flatMap((bytes, rank) => {
    const table = new Float32Array(tables[rank]!.slice().buffer);
    const ofRank = [...new Uint32Array(bytes.slice().buffer)];
    const width = table.length / ofRank.length;
    return ofRank.map((number, i) => ({ number, row: table.subarray(i * width, (i + 1) * width) }));
  });
  found.sort((a, b) => a.number - b.number);
  return { numbers: found.map(({ number }) => number), rows: found.map(({ row }) => row) };
}

/** The images that any of the ranks couldn't read, each once. For all ranks to call. */
export async function gatherUnreadable(
  ranks: Ranks,
  own: readonly Unreadable[],
): Promise<readonly Unreadable[]> {
  if (ranks.size === 1) return own;
  const texts = await ranks.gather(new TextEncoder().encode(JSON.stringify(own)));
  const lists = texts.map((bytes, rank) =>
    parseJson(
      new TextDecoder().decode(bytes),
      `rank ${rank}`,
      list(object<Unreadable>({ name: text, reason: text })),
    ),
  );
  // One may have been met by several: each looks for another where it can't read its own.
  return [...new Map(lists.flat().map((each) => [each.name, each])).values()];
}
