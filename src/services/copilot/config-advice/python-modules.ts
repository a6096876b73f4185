/** Modules of Python's standard library, 3.9 to 3.14. */
const STANDARD = new Set(
  `abc aifc argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 calendar cgi cgitb chunk cmath cmd code
codecs codeop collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg cProfile crypt csv
ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler
fcntl filecmp fileinput fnmatch fractions ftplib functools gc getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac
html http imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox
mailcap marshal math mimetypes mmap modulefinder multiprocessing netrc nis nntplib ntpath numbers opcode operator optparse os
ossaudiodev pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd
py_compile pyclbr pydoc queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve
shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 ssl stat statistics string stringprep struct
subprocess sunau symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap threading time timeit
tkinter token tokenize tomllib trace traceback tracemalloc tty turtle types typing unicodedata unittest urllib uu uuid venv
warnings wave weakref webbrowser wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo __future__`.split(
    /\s+/,
  ),
);

/** Packages whose name is not that of their module. */
const PACKAGES: Readonly<Record<string, string>> = {
  yaml: "PyYAML",
  PIL: "Pillow",
  cv2: "opencv-python-headless",
  sklearn: "scikit-learn",
  skimage: "scikit-image",
  bs4: "beautifulsoup4",
  dateutil: "python-dateutil",
  dotenv: "python-dotenv",
  psycopg2: "psycopg2-binary",
  MySQLdb: "mysqlclient",
  jwt: "PyJWT",
  Crypto: "pycryptodome",
  OpenSSL: "pyOpenSSL",
  serial: "pyserial",
  docx: "python-docx",
  pptx: "python-pptx",
  fitz: "PyMuPDF",
  attr: "attrs",
  magic: "python-magic",
  slugify: "python-slugify",
  telegram: "python-telegram-bot",
  usb: "pyusb",
  git: "GitPython",
  github: "PyGithub",
};

/** The package that a missing module most likely comes from; undefined for the standard library. */
export function packageOf(module: string): string | undefined {
  const top = module.split(".")[0] ?? "";
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(top) || STANDARD.has(top)) return undefined;
  return Object.hasOwn(PACKAGES, top) ? PACKAGES[top] : top.replaceAll("_", "-");
}

/** The top modules that Python code imports at its outermost level or within functions, each once. */
export function importsOf(code: string): string[] {
  const modules = new Set<string>();
  for (const [, from, plain] of code.matchAll(
    /^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import\b|import[ \t]+([\w., \t]+))/gm,
  )) {
    if (from !== undefined) modules.add(from.split(".")[0] ?? "");
    for (const part of (plain ?? "").split(","))
      modules.add((part.trim().split(/\s+as\s+/)[0] ?? "").split(".")[0] ?? "");
  }
  modules.delete("");
  return [...modules];
}

/** Whether a requirement is of this package, extras and versions aside. */
export function isRequirementOf(requirement: string, name: string): boolean {
  const normal = (text: string) => text.toLowerCase().replaceAll(/[-_.]+/g, "-");
  return normal(/^[A-Za-z0-9._-]+/.exec(requirement)?.[0] ?? "") === normal(name);
}
