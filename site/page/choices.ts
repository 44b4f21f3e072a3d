/**
 * The visitor's choices for the whole page: language and theme.
 */
import { byId } from './dom.js';
import { chosenLanguage, speak } from './language.js';

/** Lets the visitor choose. */
export async function startChoices(): Promise<void> {
  const root = document.documentElement;
  const button = byId('language', HTMLAnchorElement);
  button.addEventListener('click', async (event) => {
    event.preventDefault();
    const to = chosenLanguage() === 'ko' ? 'en' : 'ko';
    await speak(to);
    name(button, to);
    history.replaceState(null, '', `${to === 'ko' ? 'ko.html' : './'}${location.search}${location.hash}`);
  });
  byId('theme', HTMLButtonElement).addEventListener('click', () => {
    const dark = getComputedStyle(root).colorScheme === 'dark' || (root.dataset.theme ?? system()) === 'dark';
    root.dataset.theme = dark ? 'light' : 'dark';
    localStorage.setItem('theme', root.dataset.theme);
  });
  if (root.lang === 'ko') await speak('ko');
}

function name(button: HTMLAnchorElement, language: 'en' | 'ko'): void {
  button.textContent = language === 'ko' ? 'English' : '한국어';
  button.lang = language === 'ko' ? 'en' : 'ko';
  button.href = language === 'ko' ? './' : 'ko.html';
}

const system = (): string => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
