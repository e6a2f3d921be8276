// pg-boss with batches: fetch() and complete() of many, which its polling worker would do at most twice a second.
import { PgBoss } from "pg-boss";
import pg from "pg";
import { count, person, reached, send, transport } from "./shared.mjs";

const queue = "mail";
const pool = new pg.Pool({ max: 10 });
const boss = new PgBoss({ db: { executeSql: (sql, values) => pool.query(sql, values) }, supervise: false, schedule: false });
await boss.start();
await boss.createQueue(queue);
for (let n = 1; n <= count; n += 10_000) {
  const length = Math.min(10_000, count - n + 1);
  await boss.insert(queue, Array.from({ length }, (_, i) => ({ data: person(n + i) })));
}
await pool.query("vacuum analyze");

await reached("ready");
const worker = async () => {
  for (;;) {
    const jobs = await boss.fetch(queue, { batchSize: 500 });
    if (jobs.length === 0) return;
    await Promise.all(jobs.map((job) => send(job.data)));
    await boss.complete(queue, jobs.map((job) => job.id));
  }
};
// Two, so that the pool has work while the other asks the database.
await Promise.all([worker(), worker()]);
const { rows } = await pool.query("select count(*)::int as n from pgboss.job where name = $1 and state <> 'completed'", [queue]);
if (rows[0].n !== 0) throw new Error(`${rows[0].n} jobs are left`);
await reached("done");
await boss.stop({ graceful: false });
await pool.end();
transport.close();
process.exit(0);
