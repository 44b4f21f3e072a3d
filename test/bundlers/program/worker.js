import 'tandem-ts/worker';
