// graphile-worker with its local queue and completion in batches, see https://worker.graphile.org/docs/performance
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { count, person, reached, send, transport } from "./shared.mjs";

// Where the database is, it reads from the environment.
const logger = new Logger(() => () => {});
const utils = await makeWorkerUtils({ logger });
await utils.migrate();
for (let n = 1; n <= count; n += 10_000) {
  const length = Math.min(10_000, count - n + 1);
  await utils.addJobs(Array.from({ length }, (_, i) => ({ identifier: "mail", payload: person(n + i) })));
}
await utils.withPgClient((client) => client.query("vacuum analyze"));

await reached("ready");
let sent = 0;
let finished;
const allSent = new Promise((resolve) => (finished = resolve));
const runner = await run({
  logger,
  noHandleSignals: true,
  taskList: {
    mail: async (vars) => {
      await send(vars);
      sent += 1;
      if (sent === count) finished();
    },
  },
  preset: {
    worker: {
      concurrentJobs: 100,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
});
await allSent;
await runner.stop();
const left = "select count(*)::int as n from graphile_worker._private_jobs";
const { rows } = await utils.withPgClient((client) => client.query(left));
if (rows[0].n !== 0) throw new Error(`${rows[0].n} jobs are left`);
await reached("done");
await utils.release();
transport.close();
process.exit(0);
