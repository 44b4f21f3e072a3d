/**
 * What a comparison writes with `--json`.
 */

/** A library's figures for a row. */
export interface Figures {
  readonly medianMs: number;
  readonly cpuMs: number;
  readonly spread: number;
  readonly gflops: number;
  /** Normalized mean squared error against Tandem's result. */
  readonly error: number;
  /** Its time / Tandem's. */
  readonly ratio: number;
}

/** A library at a row: figures, or why there are none. */
export interface Cell {
  readonly peer: string;
  readonly figures?: Figures;
  readonly cannot?: string;
}

/** A row. */
export interface PeersRow {
  readonly name: string;
  readonly cells: readonly Cell[];
}

/** All of it. */
export interface PeersReport {
  readonly date: string;
  readonly cpu: string;
  readonly runtime: string;
  readonly load: readonly [before: number, after: number];
  readonly threads: number;
  /** Packages and their versions. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly PeersRow[];
}
