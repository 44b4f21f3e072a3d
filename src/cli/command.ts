/**
 * What every command of `tandem` has: usage lines and examples as one types them, a hint at a mistyped name, and an end
 * in one line when something is wrong.
 */
import { type Command, CommanderError, Help } from 'commander';
import { nearestName } from '../core/arguments.js';
import { TandemError } from '../core/errors.js';
import { refusalOf } from '../data/files.js';
import { outliveReaders, spellOutNames, stopBars } from './output.js';

/** Columns that help and messages fit. */
export const columns = 80;

/**
 * A command as its user types it: `npx tandem train`; or, where npm's script of that name runs it, `npm run train --` or
 * `npm run tandem -- train`.
 * @param path names from the subcommand on: ['codes', 'train']
 */
export function typed(...path: string[]): string {
  const [name = '', ...rest] = path;
  const script = process.env.npm_lifecycle_event;
  if (script === name) return [`npm run ${name} --`, ...rest].join(' ');
  return [script === 'tandem' ? 'npm run tandem --' : 'npx tandem', ...path].join(' ');
}

/** The names that lead to a command, without the program's own. */
function pathOf(command: Command): string[] {
  return command.parent ? [...pathOf(command.parent), command.name()] : [];
}

/** Gives a command what all of them have. */
export function settled(command: Command): Command {
  return command
    .allowExcessArguments(false)
    .exitOverride()
    .helpCommand(false)
    .showHelpAfterError('(--help lists the options)')
    .showSuggestionAfterError(false)
    .configureHelp({ commandUsage: (shown) => `${typed(...pathOf(shown))} ${shown.usage()}` })
    .configureOutput({
      outputError: (text, write) => {
        const [, kind, given] = /unknown (option|command) '([^'=]+)/.exec(text) ?? [];
        const known =
          kind === 'command'
            ? command.commands.map((sub) => sub.name())
            : command.options.flatMap(({ long }) => long ?? []);
        const meant = given === undefined ? null : nearestName(given, known);
        write(meant === null ? text : text.replace(/\n?$/, ` (did you mean ${meant}?)\n`));
      },
    });
}

/** Says what a command does: a line in the list of commands, a sentence at the head of its own `--help`. */
export function described(command: Command, about: string): Command {
  return command.summary(about).description(`${about.charAt(0).toUpperCase()}${about.slice(1)}.`);
}

/** Ends a command's `--help` with examples. @param examples what is typed after the command's name */
export function addExamples(command: Command, ...examples: string[]): Command {
  return command.addHelpText('after', () => {
    const name = typed(...pathOf(command));
    return `\nExamples:\n${examples.map((example) => `  ${`${name} ${example}`.trim()}`).join('\n')}`;
  });
}

/**
 * Breaks text into lines that fit the columns.
 * @param indent what stands before the lines after the first, and as many columns before the first
 */
export function wrapped(text: string, indent = ''): string {
  return new Help().boxWrap(text, columns - indent.length).replaceAll('\n', `\n${indent}`);
}

/** Prints lines with what they are about in front of the first, in a column of their own. */
export function printAbout(label: string, ...lines: readonly string[]): void {
  for (const [i, line] of lines.entries())
    console.log(`${(i === 0 ? label : '').padEnd(10)}${wrapped(line, ' '.repeat(10))}`);
}

/** Lines of terms and what they are, in the form of a `--help`. */
export function helpList(items: readonly (readonly [term: string, about: string])[]): string {
  const help = new Help();
  help.prepareContext({ helpWidth: columns });
  const width = Math.max(...items.map(([term]) => term.length));
  return items.map(([term, about]) => help.formatItem(term, width, about, help)).join('\n');
}

/** What an error of ours, or a file that the system refuses, says in a line; null for any other error. */
export function messageOf(error: unknown): string | null {
  return error instanceof TandemError ? error.message : refusalOf(error);
}

/**
 * Runs a command's work; an error of ours, or a file that the system refuses, becomes a line on standard error and exit
 * code 1. However it ends, no bar is left.
 */
export async function runCommand(work: () => Promise<unknown>): Promise<void> {
  outliveReaders();
  spellOutNames();
  try {
    await work();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode; // all is said
      return;
    }
    const message = messageOf(error);
    if (message === null) throw error;
    stopBars();
    console.error(`error: ${message}`);
    process.exitCode = 1;
  } finally {
    stopBars();
  }
}
