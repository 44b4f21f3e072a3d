/**
 * The figures of a run as one HTML page that opens without a network: every picture is within it.
 */
import { escapeText } from './svg.js';

/** A figure with what is to be said of it. */
export interface Section {
  readonly title: string;
  /** Sentences or paragraphs, as text. */
  readonly text: readonly string[];
  /** SVG files by name. */
  readonly files: ReadonlyMap<string, string>;
  /** Numbers, if any: a first row of headings, then rows. */
  readonly table?: readonly (readonly string[])[];
}

const style = `
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
figure { margin: 1rem 0; overflow-x: auto; } figure svg { max-width: 100%; height: auto; }
figcaption { color: #666; font-size: 0.85rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: 0.2rem 0.8rem; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: nowrap; }
`;

/** The page. @param facts names and values, above the figures */
export function writeReport(
  title: string,
  facts: readonly (readonly [string, string])[],
  sections: readonly Section[],
): string {
  const head = facts.map(
    ([name, value]) =>
      `<tr><td>${escapeText(name)}</td><td style="text-align: left">${escapeText(value)}</td></tr>`,
  );
  const body = sections.map(({ title: heading, text, files, table }) =>
    [
      `<h2>${escapeText(heading)}</h2>`,
      ...text.map((paragraph) => `<p>${escapeText(paragraph)}</p>`),
      ...[...files].map(([name, file]) => figure(name, file)),
      ...(table ? [tableOf(table)] : []),
    ].join('\n'),
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeText(title)}</title><style>${style}</style></head>
<body>
<h1>${escapeText(title)}</h1>
<table>${head.join('\n')}</table>
${body.join('\n')}
</body>
</html>
`;
}

function figure(name: string, svg: string): string {
  return `<figure>${svg}<figcaption>${escapeText(name)}</figcaption></figure>`;
}

function tableOf([headings = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${line(headings, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table>`;
}
