/**
 * The command line as it is, which says at its end what processor time it took: all of its threads, from the process's first moment.
 */
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  console.log(`processor time ${Math.round((user + system) / 1000)} ms`);
});
await import('../src/cli/main.js');
