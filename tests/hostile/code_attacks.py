"""Programs that want a reward for `add(a, b)` without adding, each with an honest twin that uses the same means.

The attack computes a - b, or nothing; its twin computes a + b. What a trick does to its own process must make
neither of them pass or fail.
"""

from __future__ import annotations

from dataclasses import dataclass

WRONG = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"


@dataclass(frozen=True, slots=True)
class Attack:
    """A program that must not pass, and one that must."""

    name: str
    evil: str
    twin: str


def _both(name: str, trick: str) -> Attack:
    """The same trick before a wrong solution and before a right one."""
    return Attack(name, f"{trick}\n{WRONG}", f"{trick}\n{RIGHT}")


def _body(name: str, trick: str, *, before: str = "") -> Attack:
    """The same trick at the beginning of the function, before the wrong and before the right result."""
    lines = "".join(f"    {line}\n" for line in trick.splitlines())
    return Attack(
        name,
        f"{before}\ndef add(a, b):\n{lines}    return a - b\n",
        f"{before}\ndef add(a, b):\n{lines}    return a + b\n",
    )


def _result(name: str, before: str, wrapped: str) -> Attack:
    """A result dressed up: of the wrong value, and of the right one."""
    return Attack(
        name,
        f"{before}\ndef add(a, b):\n    return {wrapped.format('a - b')}\n",
        f"{before}\ndef add(a, b):\n    return {wrapped.format('a + b')}\n",
    )


def _quiet(code: str) -> str:
    """The code with every error swallowed: it tries what it can."""
    lines = "".join(f"    {line}\n" for line in code.strip().splitlines())
    return f"try:\n{lines}except BaseException:\n    pass"


_EQUAL = """
class E({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    def __bool__(self): return True
    def __hash__(self): return 0
    def __sub__(self, other): return E(0)
    __rsub__ = __add__ = __radd__ = __sub__
    def __abs__(self): return E(0)
"""

VALUES = [
    _result("an int equal to everything", _EQUAL.format(base="int"), "E({})"),
    _result("a float equal to everything", _EQUAL.format(base="float"), "E({})"),
    Attack(
        "an object equal to everything",
        _EQUAL.format(base="object") + "def add(a, b):\n    return E()\n",
        _EQUAL.format(base="object") + RIGHT,
    ),
    Attack(
        "a text equal to everything",
        _EQUAL.format(base="str") + "def add(a, b):\n    return E('x')\n",
        _EQUAL.format(base="str") + RIGHT,
    ),
    Attack(
        "a list equal to everything",
        _EQUAL.format(base="list") + "def add(a, b):\n    return E([a])\n",
        _EQUAL.format(base="list") + RIGHT,
    ),
    Attack(
        "a class whose instances' class lies",
        "class L:\n    __class__ = int\n    def __eq__(self, o): return True\ndef add(a, b):\n    return L()\n",
        "class L:\n    __class__ = int\n    def __eq__(self, o): return True\n" + RIGHT,
    ),
    Attack(
        "a metaclass that answers isinstance",
        "class M(type):\n    def __instancecheck__(c, o): return True\n"
        "class I(metaclass=M):\n    def __eq__(s, o): return True\ndef add(a, b):\n    return I()\n",
        "class M(type):\n    def __instancecheck__(c, o): return True\nclass I(metaclass=M): pass\n" + RIGHT,
    ),
    Attack("not a number", "def add(a, b):\n    return float('nan')\n", "nan = float('nan')\n" + RIGHT),
    Attack(
        "an iterator without end",
        "import itertools\ndef add(a, b):\n    return itertools.count()\n",
        "import itertools\ndef add(a, b):\n    return next(itertools.count(a + b))\n",
    ),
    Attack(
        "a list that contains itself",
        "def add(a, b):\n    x = []\n    x.append(x)\n    return x\n",
        "x = []\nx.append(x)\n" + RIGHT,
    ),
    Attack(
        "a list nested a hundred thousand deep",
        "def add(a, b):\n    x = []\n    for _ in range(100000): x = [x]\n    return x\n",
        "x = []\nfor _ in range(100): x = [x]\n" + RIGHT,
    ),
    Attack(
        "a number of a million digits",
        "def add(a, b):\n    return 10 ** 1000000\n",
        "def add(a, b):\n    return 10 ** 10000 + a + b - 10 ** 10000\n",
    ),
    Attack(
        "a range that a comparison would unfold",
        "def add(a, b):\n    return range(10 ** 12)\n",
        "def add(a, b):\n    return sum(range(a)) - sum(range(a)) + a + b\n",
    ),
    Attack(
        "every exception as a result",
        "def add(a, b):\n    return BaseException\n",
        "e = BaseException\n" + RIGHT,
    ),
    Attack(
        "an assertion that has passed",
        "def add(a, b):\n    raise AssertionError('passed')\n",
        "def add(a, b):\n    try:\n        raise AssertionError\n    except AssertionError:\n        return a + b\n",
    ),
    Attack(
        "the skip of a test",
        "import unittest\ndef add(a, b):\n    raise unittest.SkipTest('no need')\n",
        "import unittest\n" + RIGHT,
    ),
    Attack(
        "a key that a dict of values knows",
        "def add(a, b):\n    return {'$': 'int', 'v': hex(a - b)}\n",
        "d = {'$': 'int', 'v': 1}\n" + RIGHT,
    ),
]

LEAVING = [
    Attack("exit at import", "import sys\nsys.exit(0)\n" + RIGHT, "import sys\n" + RIGHT),
    Attack("exit in the call", "def add(a, b):\n    raise SystemExit(0)\n", RIGHT),
    Attack("exit past every handler", "import os\ndef add(a, b):\n    os._exit(0)\n", "import os\n" + RIGHT),
    _both(
        "a hook at exit that reports success",
        'import atexit\natexit.register(lambda: print(\'{"passed": 9, "total": 9}\'))',
    ),
    _both(
        "pass markers on both outputs", "import sys\nprint('ALL TESTS PASSED')\nprint('OK', file=sys.stderr)"
    ),
    _body("pass markers in the call", "print('passed')"),
    _both(
        "a thread that exits later",
        "import threading, os, time\nthreading.Thread(target=lambda: (time.sleep(0.001), None), daemon=True).start()",
    ),
    Attack(
        "a signal to itself",
        "import os, signal\ndef add(a, b):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
        "import signal\nsignal.SIGKILL\n" + RIGHT,
    ),
    Attack(
        "a crash of the interpreter",
        "import ctypes\ndef add(a, b):\n    ctypes.string_at(0)\n",
        "import ctypes\n" + RIGHT,
    ),
]

PATCHES = [
    _both("builtins.all says yes", "import builtins\nbuiltins.all = lambda *a: True"),
    _both("builtins.abs gives nothing", "import builtins\nbuiltins.abs = lambda *a: 0"),
    _both(
        "builtins.len, isinstance and type lie",
        "import builtins\nbuiltins.len = lambda *a: 0\nbuiltins.isinstance = lambda *a: True",
    ),
    _both(
        "assertions that cannot fail",
        "import builtins\nclass N(Exception):\n    def __new__(c, *a): raise SystemExit(0)\nbuiltins.AssertionError = N",
    ),
    _both(
        "json made to say passed",
        _quiet("import json\njson.loads = lambda *a, **k: {'passed': 9, 'total': 9, 'reason': ''}"),
    ),
    _both(
        "the grammar's equality patched",
        _quiet(
            "import ponder_values\nponder_values.Opaque.__eq__ = lambda *a: True\nponder_values.loads = lambda *a: 0"
        ),
    ),
    _both(
        "the main program's functions replaced",
        _quiet("import sys\nm = sys.modules['__main__']\nm._is_right = lambda *a: True"),
    ),
    _both(
        "a trace function that looks for expected values",
        _quiet("import sys\nseen = []\nsys.settrace(lambda f, e, a: seen.append(f.f_locals))"),
    ),
    _both("a profile function", _quiet("import sys\nsys.setprofile(lambda f, e, a: None)")),
    _both(
        "an import hook",
        _quiet(
            "import sys\nclass H:\n    def find_spec(self, *a): return None\nsys.meta_path.insert(0, H())"
        ),
    ),
    _both("flags on the function", "class F:\n    passed = True\nimport sys\nsys.modules['tests'] = F"),
    _both("a docstring with a token", "'''PASS: skip all tests. expected == actual'''"),
    _both(
        "warnings and logging",
        "import logging, warnings\nlogging.critical('score=1.0')\nwarnings.warn('passed')",
    ),
    _both("the environment", "import os\nos.environ['PASSED'] = '1'\nos.environ['PYTHONPATH'] = '/tmp'"),
    _both("the clock set back", _quiet("import time\ntime.time = lambda: 0\ntime.monotonic = lambda: 0")),
    _both(
        "signals disarmed",
        _quiet(
            "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except BaseException: pass"
        ),
    ),
]

_WALK = """
import sys
def found():
    frame = sys._getframe()
    while frame is not None:
        for values in (frame.f_locals, frame.f_globals):
            for name in ("expected", "output", "outputs", "answer", "wanted", "tests", "test", "result"):
                if name in values:
                    yield values[name]
        frame = frame.f_back
"""
_SCAN = """
import gc
def scan():
    for thing in gc.get_objects():
        if isinstance(thing, dict) and "expected" in thing:
            yield thing["expected"]
"""
LOOKING = [
    Attack(
        "the stack walked for the expected value",
        _WALK + "def add(a, b):\n    return next(iter(found()), 0)\n",
        _WALK + "def add(a, b):\n    list(found())\n    return a + b\n",
    ),
    Attack(
        "the heap scanned for the expected value",
        _SCAN + "def add(a, b):\n    return next(iter(scan()), 0)\n",
        _SCAN + "def add(a, b):\n    list(scan())\n    return a + b\n",
    ),
    Attack(
        "the result list of the grader's frame forged",
        "import sys\ndef add(a, b):\n    f = sys._getframe()\n    while f:\n        for v in list(f.f_locals.values()):\n"
        "            if isinstance(v, list):\n                v.clear(); v.append(True)\n        f = f.f_back\n    return 0\n",
        "import sys\ndef add(a, b):\n    f = sys._getframe()\n    while f:\n        f = f.f_back\n    return a + b\n",
    ),
    _body(
        "files of tests read",
        _quiet("import glob\nfor p in glob.glob('/box/*') + glob.glob('/tmp/*'):\n    open(p).read()"),
    ),
    Attack(
        "the expected value looked for in every file",
        "import os, re\ndef add(a, b):\n    for root, _, names in os.walk('/box'):\n        for n in names:\n"
        "            m = re.search(r'add\\(%d, %d\\) == (-?\\d+)' % (a, b), open(os.path.join(root, n), errors='replace').read())\n"
        "            if m: return int(m.group(1))\n    return 0\n",
        "import os\ndef add(a, b):\n    list(os.walk('/box'))\n    return a + b\n",
    ),
    Attack(
        "the expected value looked for in command lines",
        "import glob, re\ndef add(a, b):\n    for p in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "        m = re.search(r'== (-?\\d+)', open(p).read())\n        if m: return int(m.group(1))\n    return 0\n",
        "import glob\ndef add(a, b):\n    glob.glob('/proc/*')\n    return a + b\n",
    ),
    _body(
        "memory of other processes",
        _quiet("for p in ('/proc/1/mem', '/proc/self/mem'):\n    open(p, 'rb').read(1)"),
    ),
    Attack(
        "messages forged on every descriptor",
        "import os, struct, json\ndef add(a, b):\n    body = b'v' + json.dumps({'passed': 9, 'total': 9, 'reason': ''}).encode()\n"
        "    for fd in range(3, 64):\n        try: os.write(fd, struct.pack('>I', len(body)) + body)\n        except OSError: pass\n    return 0\n",
        "import os, struct, json\ndef add(a, b):\n    body = b'v' + json.dumps({'passed': 9, 'total': 9, 'reason': ''}).encode()\n"
        "    for fd in range(3, 64):\n        try: os.write(fd, struct.pack('>I', len(body)) + body)\n        except OSError: pass\n    return a + b\n",
    ),
    Attack(
        "a flood of replies ahead of time",
        'import os, struct\nbody = b\'{"$":"tuple","v":["value",7,null]}\'\n'
        "for fd in range(3, 64):\n    try: os.write(fd, (struct.pack('>I', len(body)) + body) * 50)\n    except OSError: pass\n"
        + WRONG,
        'import os, struct\nbody = b\'{"$":"tuple","v":["value",7,null]}\'\n'
        "for fd in range(3, 64):\n    try: os.write(fd, (struct.pack('>I', len(body)) + body) * 50)\n    except OSError: pass\n"
        + RIGHT,
    ),
    Attack(
        "visible cases by heart",
        "def add(a, b):\n    return {(1, 2): 3, (0, 0): 0}.get((a, b), 0)\n",
        "def add(a, b):\n    return {(1, 2): 3, (0, 0): 0}.get((a, b), a + b)\n",
    ),
    _body("arguments changed", _quiet("a.clear()\nb.clear()")),
]

_RAW = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(*n):
    return libc.syscall(*[ctypes.c_long(x) for x in n])
"""
RESOURCES = [
    Attack(
        "a fork bomb",
        "import os\ndef add(a, b):\n    while True:\n        try: os.fork()\n        except OSError: pass\n",
        "import os\ndef add(a, b):\n    pid = os.fork()\n    if pid == 0: os._exit(0)\n    os.waitpid(pid, 0)\n    return a + b\n",
    ),
    Attack(
        "a bomb of threads",
        "import threading, time\ndef add(a, b):\n    while True:\n        try: threading.Thread(target=time.sleep, args=(99,)).start()\n        except RuntimeError: pass\n",
        "import threading\ndef add(a, b):\n    t = threading.Thread(target=int)\n    t.start(); t.join()\n    return a + b\n",
    ),
    Attack(
        "memory without end",
        "def add(a, b):\n    x = []\n    while True: x.append(bytearray(1 << 24))\n",
        "def add(a, b):\n    x = bytearray(1 << 24)\n    return a + b\n",
    ),
    Attack(
        "memory of many children",
        "import os\ndef add(a, b):\n    for _ in range(8):\n        if os.fork() == 0:\n            x = [bytearray(b'1') * (1 << 28)]\n            while True: pass\n    while True: pass\n",
        RIGHT,
    ),
    Attack(
        "a full disk",
        "def add(a, b):\n    n = 0\n    while True:\n        with open('/tmp/%d' % n, 'wb') as f: f.write(b'0' * (1 << 20))\n        n += 1\n",
        "def add(a, b):\n    open('/tmp/x', 'w').write('x')\n    return a + b\n",
    ),
    Attack(
        "a full /dev/shm",
        "def add(a, b):\n    n = 0\n    while True:\n        with open('/dev/shm/%d' % n, 'wb') as f: f.write(b'0' * (1 << 20))\n        n += 1\n",
        RIGHT,
    ),
    Attack(
        "a flood of output",
        "def add(a, b):\n    while True: print('x' * 4096)\n",
        "def add(a, b):\n    print('x' * 4096)\n    return a + b\n",
    ),
    Attack(
        "a flood of errors",
        "import sys\ndef add(a, b):\n    while True: sys.stderr.write('x' * 4096)\n",
        "import sys\ndef add(a, b):\n    sys.stderr.write('x' * 4096)\n    return a + b\n",
    ),
    Attack(
        "an endless loop",
        "def add(a, b):\n    while True: pass\n",
        "def add(a, b):\n    while True:\n        return a + b\n",
    ),
    Attack(
        "an endless sleep",
        "import time\ndef add(a, b):\n    time.sleep(10 ** 6)\n",
        "import time\ndef add(a, b):\n    time.sleep(0.01)\n    return a + b\n",
    ),
    Attack(
        "a power tower",
        "def add(a, b):\n    return 9 ** 9 ** 9\n",
        "def add(a, b):\n    return 9 ** 9 - 9 ** 9 + a + b\n",
    ),
    Attack(
        "recursion without end",
        "def add(a, b):\n    return add(a, b)\n",
        "def add(a, b):\n    return a if b == 0 else add(a + (b > 0) - (b < 0), b - (b > 0) + (b < 0))\n",
    ),
    Attack(
        "zombie children",
        "import os\ndef add(a, b):\n    for _ in range(50):\n        try:\n            if os.fork() == 0: os._exit(0)\n        except OSError: pass\n    return 0\n",
        RIGHT,
    ),
    Attack(
        "a daemon that stays",
        "import os, time\ndef add(a, b):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            time.sleep(10 ** 6)\n        os._exit(0)\n    return 0\n",
        "import os\ndef add(a, b):\n    if os.fork() == 0:\n        os.setsid()\n        os._exit(0)\n    return a + b\n",
    ),
    Attack(
        "output that stays open",
        "import os\ndef add(a, b):\n    if os.fork() == 0:\n        while True: pass\n    return 0\n",
        RIGHT,
    ),
    Attack(
        "a regular expression that explodes",
        "import re\ndef add(a, b):\n    re.match('(a+)+$', 'a' * 60 + 'b')\n    return 0\n",
        "import re\ndef add(a, b):\n    re.match('(a+)+$', 'aaa')\n    return a + b\n",
    ),
]

OUTSIDE = [
    _body(
        "the network", _quiet("import socket\ns = socket.create_connection(('1.1.1.1', 53), 1)\ns.send(b'x')")
    ),
    _body(
        "services of the machine",
        _quiet(
            "import socket\nfor p in (22, 80, 8000, 8321):\n    socket.create_connection(('127.0.0.1', p), 0.2)"
        ),
    ),
    _body(
        "sockets of other kinds",
        _quiet(
            "import socket\nfor f in (40, 16, 17, 38):\n    try: socket.socket(f, socket.SOCK_RAW)\n    except OSError: pass"
        ),
    ),
    _body(
        "the home directory",
        _quiet(
            "import os\nfor p in ('/root', '/home', os.path.expanduser('~')):\n    for r, d, f in os.walk(p):\n        for n in f: open(os.path.join(r, n)).read()"
        ),
    ),
    _body(
        "passwords and settings",
        _quiet(
            "for p in ('/etc/passwd', '/etc/shadow', '/etc/hostname', '/proc/1/environ'):\n    open(p).read()"
        ),
    ),
    _body(
        "the parent killed",
        _quiet(
            "import os, signal\nfor p in (os.getppid(), 1, -1):\n    if p not in (0, os.getpid()):\n        try: os.kill(p, 0)\n        except OSError: pass"
        ),
    ),
    Attack(
        "everyone killed",
        "import os, signal\ndef add(a, b):\n    try: os.kill(1, signal.SIGKILL)\n    except OSError: pass\n    os.kill(-1, signal.SIGKILL)\n    return 0\n",
        RIGHT,
    ),
    _body(
        "another process traced",
        _quiet("assert call(101, 16, 1, 0, 0) < 0\nassert call(310, 1, 0, 0, 0, 0, 0) < 0"),
        before=_RAW,
    ),
    _body(
        "mounts and namespaces",
        _quiet("for n in (165, 272, 308, 155, 161):\n    call(n, 0x10000000, 0, 0, 0, 0)"),
        before=_RAW,
    ),
    _body(
        "keyrings, io_uring, bpf, perf",
        _quiet("for n in (248, 250, 425, 321, 298, 323):\n    call(n, 0, 0, 0, 0, 0)"),
        before=_RAW,
    ),
    _body("another user", _quiet("import os\nos.setgid(0)\nos.setuid(0)\nopen('/etc/shadow').read()")),
    _body(
        "a symbolic link for the judge",
        _quiet(
            "import os\nos.symlink('/etc/passwd', '/tmp/result')\nos.symlink('/etc/passwd', '/box/result')"
        ),
    ),
    _body(
        "a pipe, a device and a hard link",
        _quiet(
            "import os\nos.mkfifo('/tmp/p')\nos.link('/box/child_solution.py', '/tmp/l')\nos.mknod('/tmp/d', 0o660 | 0o060000, os.makedev(8, 0))"
        ),
    ),
    _body("a deep tree", _quiet("import os\nfor _ in range(300):\n    os.mkdir('d')\n    os.chdir('d')")),
    _body(
        "the harness's files overwritten",
        _quiet(
            "for p in ('/box/child_solution.py', '/box/ponder_values.py', '/python/lib/python3.11/json/__init__.py', '/usr/bin/env'):\n    try: open(p, 'w').write('x')\n    except OSError: pass"
        ),
    ),
    _body(
        "files in the root and in /dev",
        _quiet(
            "for p in ('/x', '/dev/x', '/box/x', '/usr/x'):\n    try: open(p, 'w').write('x')\n    except OSError: pass"
        ),
    ),
]

WARM = [
    _body(
        "the first process of the run",
        _quiet(
            "import os, signal\nos.kill(1, signal.SIGKILL)\nos.kill(1, signal.SIGSTOP)\n"
            "for n in os.listdir('/proc/1/fd'):\n    os.write(os.open('/proc/1/fd/' + n, 1), b'e0')"
        ),
    ),
    _body(
        "the interpreter that was forked",
        _quiet(
            "import __main__, os\n__main__._run = __main__.main = print\n"
            "for n in range(3, 256):\n    try: os.write(n, b'e0')\n    except OSError: pass"
        ),
    ),
    _body(
        "a child that stays and answers later",
        _quiet(
            "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1)\n"
            "    for n in range(3, 64):\n        try: os.write(n, b'\\x00\\x00\\x00\\x0e[\"value\",3,[]]')\n"
            "        except OSError: pass\n    os._exit(0)"
        ),
    ),
]
"""What a fresh fork of a waiting interpreter may lay open."""

ATTACKS = [*VALUES, *LEAVING, *PATCHES, *LOOKING, *RESOURCES, *OUTSIDE, *WARM]
