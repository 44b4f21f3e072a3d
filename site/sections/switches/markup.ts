/**
 * The second section: the paper's sections as switches.
 */
import { markup as m } from '../../page/markup.js';
import { type Switch, switches } from './switches.js';

/** The section as markup. */
export const switchesMarkup = (): string => `
<section id="switches" aria-labelledby="switches-title">
<h2 id="switches-title">${m('switchesTitle')}</h2>
<p>${m('switchesText')}</p>
<div class="card">
<h3>${m('beside')}</h3>
<p id="beside" role="status">${m('besideNone')}</p>
<div id="beside-chart" class="chart"></div>
</div>
<div class="cards">${switches.map(card).join('')}</div>
<p class="hint">${m('notebookSource')}</p>
</section>`;

function card({ name, title, about, paper, notebook }: Switch): string {
  const percents = (pair: readonly number[]): string => pair.map((x) => (100 * x).toFixed(1)).join(' / ');
  const noted = notebook
    ? `${percents(notebook.kept)} → ${percents(notebook.changed)} % <span class="hint">(${m('nets')} ${notebook.nets})</span>`
    : m('notNoted');
  return `<article class="card switch"><h3>${m(title)}</h3><p>${m(about)}</p>
<dl><dt>${m('inPaper')}</dt><dd>${m(paper)}</dd><dt>${m('inNotebook')}</dt><dd>${noted}</dd><dt>${m('onThisPage')}</dt><dd id="result-${name}">${m('notRun')}</dd></dl>
<button type="button" id="switch-${name}" aria-pressed="false">${m('runBeside')}</button></article>`;
}
