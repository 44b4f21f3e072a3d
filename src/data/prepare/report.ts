/**
 * The report for people: how many images were converted, and every file that was refused or converted oddly.
 */
import type { Remark, ShardRecord } from '../shards/shardFormat.js';
import { kindOf } from './oddities.js';

/** What became of a split's files. */
export interface SplitSummary {
  readonly split: string;
  /** Images in the shards. */
  readonly images: number;
  readonly odd: readonly Remark[];
  readonly refused: readonly Remark[];
}

/** Adds up the records of a split's shards. */
export function summarize(split: string, records: readonly ShardRecord[]): SplitSummary {
  return {
    split,
    images: records.reduce((sum, record) => sum + record.images.length, 0),
    odd: records.flatMap((record) => record.odd),
    refused: records.flatMap((record) => record.refused),
  };
}

/** How often each kind of oddity occurs, the most frequent first. */
function kindsOf(remarks: readonly Remark[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const [, what] of remarks) {
    for (const kind of what.split('; ').map(kindOf)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
}

/** Lines that sum up a split. */
export function summaryLines({ split, images, odd, refused }: SplitSummary): string[] {
  const head = `${split}: ${images} images converted, ${odd.length} of them oddly; ${refused.length} files refused`;
  return [head, ...kindsOf(odd).map(([kind, count]) => `  ${count} ${kind}`)];
}

/** The report's text. */
export function reportText(summaries: readonly SplitSummary[], notes: readonly string[]): string {
  const list = (what: string, remarks: readonly Remark[]): string[] =>
    remarks.map(([name, why]) => `${what}\t${name}\t${why}`);
  const lines = [
    ...summaries.flatMap(summaryLines),
    ...notes.map((note) => `note: ${note}`),
    '',
    ...summaries.flatMap(({ refused }) => list('refused', refused)),
    ...summaries.flatMap(({ odd }) => list('odd', odd)),
  ];
  return `${lines.join('\n')}\n`;
}
