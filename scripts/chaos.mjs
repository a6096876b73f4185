// npm run test:chaos: a real installation under faults. `--help` lists the arguments.
import { loadProgram } from "./load-program.mjs";

const { main } = await loadProgram("chaos");
process.exit(await main(process.argv.slice(2)));
