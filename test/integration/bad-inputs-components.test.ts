import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { expectRefusal, faultPaths, itHolds, type MatrixRow, post } from "../support/matrix-rows.js";
import {
  at,
  COMPONENTS,
  configured,
  fresh,
  type SentConfig,
  versioned,
} from "../support/matrix-components.js";
import { type MatrixWorld, startMatrixWorld } from "../support/matrix-world.js";

let world: MatrixWorld;
const MEBIBYTE = 1024 ** 2;
const CODE = "def main():\n    return 1\n";

const script = (more: object): SentConfig => ({ type: "python_script", code: CODE, ...more });
const typescript = (more: object): SentConfig => ({ type: "typescript_script", code: "1", ...more });
const schema = (inputSchema: object) => ({
  mcpType: "python_script",
  version: { version: "1.0.0", config: script({}), inputSchema },
});

const NAMES: readonly MatrixRow[] = [
  ...[
    "A",
    "1abc",
    "a",
    "a b",
    "a".repeat(64),
    "con",
    "nul",
    "aux",
    "com1",
    "lpt9",
    "аbc",
    "ａbc",
    "a_b",
    "-ab",
  ],
  ...["", " ab", "ab\n", "ab\u200b", "../x", "a/b", "a.b", "ab%00", "__proto__", "a\u0301b"],
]
  .map((name) =>
    post(
      `33 the name ${JSON.stringify(name)}`,
      [COMPONENTS, { name, mcpType: "python_script" }],
      422,
      "/name",
    ),
  )
  .concat(
    [1, null, true, ["ab"], { $ne: 1 }].map((name) =>
      post(
        `33 the name ${JSON.stringify(name)}, no text`,
        [COMPONENTS, { name, mcpType: "python_script" }],
        422,
        "/name",
      ),
    ),
  );

const TYPES: readonly MatrixRow[] = [
  ...["bash", "", "PYTHON_SCRIPT", "python_script ", "__proto__", "constructor", "toString", 1, null].map(
    (mcpType) =>
      post(
        `35 the type ${JSON.stringify(mcpType)}`,
        [COMPONENTS, { name: fresh(), mcpType }],
        422,
        "/mcpType",
      ),
  ),
  ...[
    "1.2",
    "v1.0.0",
    "01.0.0",
    "1.0.0-",
    "1",
    "1.0.0.0",
    "1.0.0-01",
    "1.0.0+",
    "latest",
    "^1.0.0",
    "1.0.x",
    " 1.0.0",
  ].map((version) =>
    versioned(
      `36 the version ${version}`,
      { mcpType: "python_script", version: { version, config: script({}) } },
      422,
      "/version/version",
    ),
  ),
  versioned(
    "37 the type of the other",
    { mcpType: "python_script", version: { version: "1.0.0", config: typescript({}) } },
    422,
    at("type"),
  ),
  configured("37 an unknown field", script({ foo: 1 }), 422, at("foo")),
  configured("37 a field of another type", script({ model: "x" }), 422, at("model")),
  versioned(
    "37 no configuration",
    { mcpType: "python_script", version: { version: "1.0.0" } },
    422,
    "/version/config",
  ),
  versioned(
    "37 a list for a configuration",
    { mcpType: "python_script", version: { version: "1.0.0", config: [] } },
    422,
  ),
  ...[0, -1, 1e9, "60", null, 1.5, true, [60]].map((timeoutSeconds) =>
    configured(
      `38 timeoutSeconds ${JSON.stringify(timeoutSeconds)}`,
      script({ timeoutSeconds }),
      422,
      at("timeoutSeconds"),
    ),
  ),
  ...[1, 1e6, 0, -64, "1024", 100.5].map((memoryMb) =>
    configured(`38 memoryMb ${JSON.stringify(memoryMb)}`, script({ memoryMb }), 422, at("memoryMb")),
  ),
];

const SCRIPTS: readonly MatrixRow[] = [
  ...[
    "LD_PRELOAD",
    "ld_preload",
    "LD_LIBRARY_PATH",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "MCP_INPUTS",
  ],
  ...[
    "PATH",
    "BASH_ENV",
    "HEADRACE_TOKEN",
    "A=B",
    "",
    "1A",
    "A B",
    "A\u0000B",
    "__proto__\n",
    "NODE_PATH",
    "GIT_SSH_COMMAND",
  ],
  ...[
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "GIT_CONFIG_GLOBAL",
    "SSL_CERT_FILE\r",
    "DYLD_INSERT_LIBRARIES",
  ],
]
  .map((name) => configured(`39 env ${JSON.stringify(name)}`, script({ env: { [name]: "x" } }), 422))
  .concat(
    [1, null, {}, "a\u0000b"].map((value) =>
      configured(`39 env with the value ${JSON.stringify(value)}`, script({ env: { A: value } }), 422),
    ),
    [
      ...[
        "--index-url http://evil",
        "-r /etc/passwd",
        "git+file:///",
        "pkg; import os",
        "../x.whl",
        "./x",
        "/x",
      ],
      ...[
        "pkg @ http://evil/x.whl",
        "http://evil/x.whl",
        "pkg\n--pre",
        "-e .",
        "pkg --hash=x",
        "pkg==1 --pre",
        "",
      ],
      ...[
        "git+https://evil/x",
        "pkg;python_version<'3'\n-r x",
        "$(id)",
        "pkg`id`",
        "pkg|id",
        "file:x",
        "-pkg",
        " pkg",
      ],
    ].map((requirement) =>
      configured(
        `40 Python's ${JSON.stringify(requirement)}`,
        script({ requirements: [requirement] }),
        422,
        at("requirements", "0"),
      ),
    ),
    [
      ...[
        "git+file:///x",
        "file:../x",
        "http://evil/x.tgz",
        "--registry=http://evil",
        "-g",
        "a b",
        "../x",
        "/x",
        "x@file:/y",
      ],
      ...[
        "x@npm:evil@1",
        "github:evil/x",
        "evil/x",
        "x@git+https://evil/x",
        "x@http://evil",
        "",
        "x;id",
        "x@latest && id",
      ],
    ].map((requirement) =>
      configured(
        `40 npm's ${JSON.stringify(requirement)}`,
        typescript({ requirements: [requirement] }),
        422,
        at("requirements", "0"),
      ),
    ),
    [
      configured("41 code of 5 MiB", script({ code: "x".repeat(5 * MEBIBYTE) }), [413, 422]),
      configured("41 no code", script({ code: "" }), 422, at("code")),
      configured("41 NUL in code", script({ code: "a\u0000b" }), 422),
      configured("41 code that is no text", script({ code: ["x"] }), 422, at("code")),
    ],
  );

const SCHEMAS: readonly MatrixRow[] = [
  versioned("a schema that is none", schema({ type: "nope" }), 422),
  versioned("a schema with a reference to a file", schema({ $ref: "file:///etc/passwd" }), 422),
  versioned("a schema with a reference to a host", schema({ $ref: "http://169.254.169.254/x" }), 422),
  versioned(
    "a schema with a reference to another host",
    schema({ properties: { a: { $ref: "//evil/x" } } }),
    422,
  ),
  versioned("a schema whose pattern is none", schema({ type: "string", pattern: "(" }), 422),
  versioned("a schema that is deep", schema(nest(80)), 422),
];

/** A schema in a schema, so many levels deep; longer than what is read. */
function nest(depth: number): object {
  let inner: object = { type: "object" };
  for (let level = 0; level < depth; level += 1)
    inner = { properties: { a: inner }, "x-fault": 1, type: "nope" };
  return inner;
}

const ASSIGNED: readonly MatrixRow[] = [
  "createdBy",
  "id",
  "ownerId",
  "revision",
  "versionCount",
  "isDeprecated",
  "role",
].map((name) =>
  post(
    `mass assignment of ${name}`,
    [COMPONENTS, { name: fresh(), mcpType: "python_script", [name]: "x" }],
    422,
    `/${name}`,
  ),
);

describe("bad inputs: components", () => {
  beforeAll(async () => {
    world = await startMatrixWorld();
  });
  afterAll(async () => {
    await world.close();
  });
  const send = async (request: Parameters<MatrixWorld["send"]>[0]) => await world.send(request);

  describe("names", () => itHolds(NAMES, send));
  describe("types, versions and limits", () => itHolds(TYPES, send));
  describe("scripts", () => itHolds(SCRIPTS, send));
  describe("schemas", () => itHolds(SCHEMAS, send));
  describe("fields that are not the caller's", () => itHolds(ASSIGNED, send));

  it("34 a name is taken once, also by many at once", async () => {
    const body = { name: fresh(), mcpType: "python_script" };
    const answers = await Promise.all(
      [1, 2, 3, 4].map(async () => await world.send({ method: "POST", path: `/api/v1${COMPONENTS}`, body })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });

  it("36 a version is taken once, whatever its build metadata", async () => {
    const path = `/api/v1${COMPONENTS}/${world.component.id}/versions`;
    for (const version of ["1.0.0", "1.0.0+build.7", "1.0.0+other"]) {
      const request = { method: "POST", path, body: { version, config: script({}) } };
      expectRefusal(request, await world.send(request), { status: 409 });
    }
  });

  it("54 a definition in use stays, a version is deprecated once or twice, a stale change is refused", async () => {
    const { name, id } = world.component;
    const used = `u-${newId()}`;
    await world.make("/workflow-definitions", {
      name: used,
      definition: { steps: [{ id: "a", uses: `mcp:${name}@1.0.0`, inputs: { date: { value: "x" } } }] },
    });
    const remove = { method: "DELETE", path: `/api/v1${COMPONENTS}/${id}` };
    const answer = await world.send(remove);
    expectRefusal(remove, answer, { status: 409 });
    expect(answer.text).toContain(used);
    const other = await world.make(COMPONENTS, {
      name: fresh(),
      mcpType: "python_script",
      version: { version: "1.0.0", config: script({}) },
    });
    const { body } = await world.send({ path: `/api/v1${COMPONENTS}/${other["id"]}/versions` });
    const [version] = body["items"] as unknown as { id: string }[];
    const deprecate = { method: "POST", path: `/api/v1/mcp-versions/${version?.id}/deprecate` };
    expect((await world.send(deprecate)).status).toBe(200);
    expect([200, 409]).toContain((await world.send(deprecate)).status);
    const patch = async (match?: string) => {
      const headers: Record<string, string> = match === undefined ? {} : { "if-match": match };
      const request = { method: "PATCH", path: remove.path, body: { description: "x" }, headers };
      const { status } = await world.send(request);
      return status;
    };
    expect(await patch('"0"')).toBe(412);
    expect(await patch()).toBe(200);
    expect(await patch("*")).toBe(200);
    for (const match of ["abc", '"abc"', "W/", '""', '"-1"', '"1.5"'])
      expect([match, await patch(match)]).toEqual([match, 422]);
  });

  it("nothing is started, called or written by what was refused, saved or shown", async () => {
    const witness = join(tmpdir(), `headrace-${newId()}`);
    const args = ["-c", `open(${JSON.stringify(witness)}, "w")`];
    const config = { type: "mcp_package", transport: { kind: "stdio", command: "python3", args } };
    const made = await world.make(COMPONENTS, {
      name: fresh(),
      mcpType: "mcp_package",
      version: { version: "1.0.0", config },
    });
    await world.send({ path: `/api/v1${COMPONENTS}/${made["id"]}/versions` });
    expect(existsSync(witness)).toBe(false);
    const rows = await world.platform
      .knex("mcp_definitions")
      .where("name", "like", "m-%")
      .count({ count: "*" });
    // 34's one, 54's other one and this one: no refused row is there
    expect(Number(rows[0]?.["count"])).toBe(3);
  });

  it("names every fault at once", async () => {
    const request = post(
      "",
      [
        COMPONENTS,
        {
          name: "A",
          mcpType: "python_script",
          x: 1,
          version: { version: "1", config: script({ memoryMb: 1, timeoutSeconds: 0 }) },
        },
      ],
      422,
    ).request as never;
    const paths = faultPaths(await world.send(request));
    expect(paths).toEqual(expect.arrayContaining(["/name", "/x"]));
  });
});
