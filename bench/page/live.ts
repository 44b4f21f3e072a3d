/**
 * The suite in the page's browser: a form that says what to run, a table that fills while it runs, and the report to
 * save, which `npm run bench:compare` and `npm run bench:page` read like any other.
 */
import { listAdapters } from '../../src/index.js';
import { keyOf } from '../comparison.js';
import { parseReport, type Report, type Row } from '../rows.js';
import { parseSettings } from '../settings.js';
import { runSuite } from '../suite.js';
import { cellsOf, digits, heads } from '../table.js';

function find<T extends Element>(selector: string, kind: new () => T): T {
  const found = document.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
}

/** The report that the page shows, if it shows one. */
function shownReport(): Report | null {
  const text = find('#report', HTMLScriptElement).text;
  return text === 'null' ? null : parseReport(text, 'this page');
}

const live = find('#live', HTMLElement);
live.innerHTML = `
<form><fieldset>
<label>device <select name="device"><option>cpu:0</option><option>cpu:0+cpu:1</option></select></label>
<label>threads <input name="threads" value="1" size="6"></label>
<label>rows <input name="only" value="^(matmul|conv|AlexNet inference)" size="30"></label>
<label><input name="quick" type="checkbox" checked> quick</label>
<button>Run</button>
<p id="state"></p>
</fieldset></form>
<table id="rows" hidden><tr>${[...heads, "report's ms", 'ratio'].map((text) => `<th>${text}</th>`).join('')}</tr></table>
<p><a id="save" hidden download="browser.json">Save the last run's report</a></p>`;

const form = find('#live form', HTMLFormElement);
const state = find('#state', HTMLElement);
const table = find('#rows', HTMLTableElement);
const button = find('#live button', HTMLButtonElement);
const save = find('#save', HTMLAnchorElement);
const shown = new Map(shownReport()?.rows.map((row) => [keyOf(row), row]));

function addRow(row: Row): void {
  const other = shown.get(keyOf(row));
  const compared = other ? [digits(other.medianMs), (row.medianMs / other.medianMs).toFixed(2)] : ['-', '-'];
  const line = table.insertRow();
  for (const [i, text] of [...cellsOf(row), ...compared].entries()) {
    const cell = line.insertCell();
    cell.textContent = text;
    if (i >= 2) cell.className = 'n';
  }
}

/** Runs what the form says. */
async function run(): Promise<void> {
  const fields = new FormData(form);
  const field = (name: string): string => String(fields.get(name) ?? '');
  const [device = '', adapter] = field('device').split('|');
  const quick = fields.has('quick');
  const rows: Row[] = [];
  let devices: Record<string, string> = {};
  const started = performance.now();
  await runSuite({
    settings: parseSettings(device, field('threads')),
    only: new RegExp(field('only'), 'i'),
    quick,
    scaling: false,
    seed: 1,
    webGpu: adapter === undefined ? {} : { adapter },
    onRow(row) {
      rows.push(row);
      addRow(row);
      state.textContent = `${rows.length} rows ..`;
    },
    onDevices(descriptions) {
      devices = { ...devices, ...descriptions };
    },
  });
  const took = ((performance.now() - started) / 1000).toFixed(0);
  state.textContent = `${rows.length} rows in ${took} s; ${Object.values(devices).join('; ')}`;
  if (rows.length === 0) throw new Error(`no row matches on ${device} with ${field('threads')} threads`);
  const machine = {
    cpu: 'a processor that browsers do not name',
    cores: navigator.hardwareConcurrency,
    memoryBytes: null,
    platform: 'browser',
    runtime: navigator.userAgent,
    tandem: 'as served',
  };
  const date = new Date().toISOString();
  const report: Report = { date, machine, load: null, seed: 1, quick, devices, rows };
  URL.revokeObjectURL(save.href);
  save.href = URL.createObjectURL(new Blob([JSON.stringify(report, null, 1)], { type: 'application/json' }));
  save.hidden = false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  button.disabled = true;
  table.hidden = false;
  state.textContent = 'starting ..';
  run()
    .catch((error: unknown) => {
      state.textContent = String(error);
    })
    .finally(() => {
      button.disabled = false;
    });
});

// Adapters are offered as far as this browser has any.
listAdapters().then(
  (adapters) => {
    const select = find('#live select', HTMLSelectElement);
    for (const { name } of adapters) select.add(new Option(`webgpu:0, ${name}`, `webgpu:0|${name}`));
  },
  () => {},
);
