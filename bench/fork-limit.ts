import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What no engine can be faster than: forks of an interpreter that has loaded what scripts usually import. */
const PROGRAM = `
import asyncio, concurrent.futures, csv, ctypes, dataclasses, datetime, decimal, email, gc, hashlib, http.client, inspect
import json, logging, os, pathlib, random, re, secrets, shutil, ssl, statistics, subprocess, sys, tempfile, threading
import time, traceback, typing, urllib.request, uuid, xml.etree.ElementTree, zipfile
code = compile("def fib(n):\\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\\nresult = fib(10)", "script", "exec")
gc.collect()
gc.freeze()
times = []
for _ in range(int(sys.argv[1])):
    started = time.perf_counter()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        names = {}
        exec(code, names)
        os.write(writer, json.dumps(names["result"]).encode())
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 100) == b"55"
    os.close(reader)
    os.waitpid(pid, 0)
    times.append((time.perf_counter() - started) * 1000)
print(json.dumps(times))
`;

/** Forks a preloaded Python so many times, one after the other. @returns the milliseconds of each. */
export async function measureForks(python: string, count: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)(python, ["-I", "-S", "-c", PROGRAM, String(count)], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return JSON.parse(stdout) as number[];
}
