/**
 * What the suite's commands share.
 */

/** Runs a command; what goes wrong for want of a file or an option is told in a line. */
export async function orComplain(command: Promise<unknown>): Promise<void> {
  try {
    await command;
  } catch (error) {
    console.error(error instanceof Error ? `error: ${error.message}` : error);
    process.exitCode = 1;
  }
}
