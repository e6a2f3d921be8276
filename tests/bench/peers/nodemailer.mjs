// nodemailer alone: no database, nothing is kept. Sends as the pool has room, as its documents advise.
import { count, person, reached, send, transport } from "./shared.mjs";

await reached("ready");
let next = 0;
const sender = async () => {
  while (next < count) {
    next += 1;
    await send(person(next));
  }
};
// More than there are connections, so that none waits for the next mail to be built.
await Promise.all(Array.from({ length: 100 }, sender));
await reached("done");
transport.close();
process.exit(0);
