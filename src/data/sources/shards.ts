/**
 * The format of prepared pictures (shards/): a folder of shards, with the index that is written last.
 */
import { join } from 'node:path';
import { DataError } from '../../core/errors.js';
import { shardFiles } from '../shards/shardFormat.js';
import { openShards, wayOut } from '../shards/shards.js';
import type { Format, Place } from './format.js';

const record = /^(.*\/)?(train|validation)-\d{5,}\.json$/;

/** The format of prepared pictures. */
export const shards: Format = {
  kind: 'shards',
  help: 'a folder of prepared shards',
  recognises: (place) => topOf(place) !== undefined,
  async open(place) {
    const { path, entries } = place;
    const top = topOf(place) ?? '';
    const records = entries.filter(({ name }) => folderOf(name) === top);
    const index = entries.find(({ name }) => name === `${top}${shardFiles.index}`);
    if (!index) throw new DataError(`${path}: holds ${records.length} shards but no index yet: ${wayOut}`);
    if (!('path' in index.source) || 'length' in index.source) {
      throw new DataError(`${path}: shards in an archive: unpack it and give the folder`);
    }
    const { index: contents, train, validation, mean } = await openShards(join(path, top));
    return { classes: contents.classes, train, validation, mean, notes: place.notes };
  },
};

/** The folder of a shard's record, with its closing slash; undefined for other files. */
function folderOf(name: string): string | undefined {
  const found = record.exec(name);
  return found ? (found[1] ?? '') : undefined;
}

/** The folder of the first record. */
function topOf({ entries }: Place): string | undefined {
  const found = entries.find(({ name }) => record.test(name));
  return found && folderOf(found.name);
}
