/**
 * The page as markup, written when it is built: in each language a file of its own, with all words in place, so that
 * the first frame needs no script.
 */
import { explainMarkup } from '../sections/explain/markup.js';
import { machineMarkup } from '../sections/machine/markup.js';
import { photoMarkup } from '../sections/photo/markup.js';
import { switchesMarkup } from '../sections/switches/markup.js';
import { trainMarkup } from '../sections/train/markup.js';
import type { Language } from './language.js';
import { markup as m, writeIn } from './markup.js';

/** Where the built page's files are. */
export interface Assets {
  readonly style: string;
  readonly script: string;
}

/** The page in a language. */
export function pageHtml(language: Language, { style, script }: Assets): string {
  writeIn(language);
  const other =
    language === 'ko'
      ? { lang: 'en', href: './', name: 'English' }
      : { lang: 'ko', href: 'ko.html', name: '한국어' };
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${m.plain('title')}</title>
<meta name="description" content="${m.plain('headline')}">
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect x='2' y='1' width='5' height='14' rx='1' fill='%231f5fb4'/%3E%3Crect x='9' y='1' width='5' height='14' rx='1' fill='%23c26a00'/%3E%3C/svg%3E">
<style>${style}</style>
<script>const t=localStorage.getItem('theme');if(t)document.documentElement.dataset.theme=t</script>
<script type="module" src="${script}"></script>
</head>
<body>
<a class="skip" href="#train">${m('skip')}</a>
<header>
<div class="bar">
<nav aria-label="${m.plain('navLabel')}" data-label="navLabel"><ul>
<li><a href="#train">${m('navTrain')}</a></li>
<li><a href="#switches">${m('navSwitches')}</a></li>
<li><a href="#explain">${m('navExplain')}</a></li>
<li><a href="#photo">${m('navPhoto')}</a></li>
<li><a href="#machine">${m('navMachine')}</a></li>
</ul></nav>
<div class="choices"><a id="language" href="${other.href}" lang="${other.lang}">${other.name}</a><button id="theme" type="button">${m('theme')}</button></div>
</div>
<h1>${m('headline')}</h1>
<p class="lead">${m('lead')}</p>
</header>
<main>
${trainMarkup()}
${switchesMarkup()}
${explainMarkup()}
${photoMarkup()}
${machineMarkup()}
</main>
<footer><p>${m('foot')}</p></footer>
</body>
</html>
`;
}
