// npm run simulate: the engine's core under a seeded simulation of everything around it. `--help` lists the arguments.
import { loadProgram } from "./load-program.mjs";

const { main } = await loadProgram("simulation");
if (!main(process.argv.slice(2))) process.exitCode = 1;
