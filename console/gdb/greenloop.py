"""Commands for gdb that know green threads, in a live process or a core:

    (gdb) source greenloop.py
    (gdb) greenloop threads          lists the green threads
    (gdb) greenloop bt 17            the backtrace of a suspended one, by its id or its name
    (gdb) greenloop switch 17        from here on bt, up, frame, info locals speak of that one
    (gdb) greenloop back             and no more
    (gdb) greenloop core FILE        writes a core of a live process, with all stacks

Needs the program's debug information (a dev build has it; a release profile wants `debug = 2`, at
least for the package `greenloop-runtime`). Writes nothing into the program: no register of it is
changed, so it can go on afterwards, and a core will do. Switching is for x86-64.
"""

import struct
import sys
from pathlib import Path

import gdb
from gdb.unwinder import Unwinder, register_unwinder

sys.path.append(str(Path(__file__).resolve().parents[1] / "debugger"))
import green_threads
from green_threads import Missing

# ELF: a part of the file that is a mapping.
LOADED = 1
# /proc/PID/pagemap: the bits of an entry from here on say that the page is in memory or in swap.
USED_BITS = 62
PAGE = 4096


class Program(green_threads.Program):
    def variable(self, name):
        found = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
        return found and (int(found.value().address), found.type)

    def type(self, name):
        # Not `lookup_type`, which prefers the namespace of the type's functions.
        found = gdb.lookup_static_symbol(name, gdb.SYMBOL_STRUCT_DOMAIN)
        if not found:
            raise Missing("no type %s: the program is of another Greenloop" % name)
        return found.type

    def size(self, type):
        return type.sizeof

    def fields(self, type):
        type = type.strip_typedefs()
        return {it.name: (it.bitpos // 8, it.type) for it in type.fields()}

    def enumerators(self, type):
        return {it.enumval: it.name.split("::")[-1] for it in type.fields()}

    def read(self, address, size):
        try:
            return gdb.selected_inferior().read_memory(address, size).tobytes()
        except gdb.MemoryError as error:
            raise Missing(str(error)) from error


def all_green_threads():
    if not gdb.selected_thread():
        raise Missing("there is no process: run the program, attach to it, or load a core")
    return green_threads.GreenThreads(Program())


class Frame:
    """The identity of a frame, as gdb wants it."""

    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Switched(Unwinder):
    """Says that the selected thread's first frame was called from a suspended green thread's."""

    def __init__(self):
        super().__init__("greenloop")
        self.registers = {}

    def set(self, registers):
        self.registers = registers
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if not self.registers:
            return None
        pc = int(pending.read_register("rip"))
        if pending.level() == 0:
            return self.first(pending, pc)
        return self.last(pending, pc) if is_root(pc) else None

    def first(self, pending, pc):
        info = pending.create_unwind_info(Frame(gdb.Value(self.registers["rsp"]), gdb.Value(pc)))
        for name, value in self.registers.items():
            info.add_saved_register(name, register(value))
        return info

    @staticmethod
    def last(pending, pc):
        """What lies below belongs to whoever ran it last."""
        sp = int(pending.read_register("rsp"))
        info = pending.create_unwind_info(Frame(gdb.Value(sp), gdb.Value(pc)))
        info.add_saved_register("rip", register(0))
        info.add_saved_register("rsp", register(sp))
        return info


def is_root(pc):
    return green_threads.ROOT in gdb.execute("info symbol %d" % pc, to_string=True)


def register(value):
    """A value of the size of a register; gdb wants no more."""
    return gdb.Value(value).cast(gdb.lookup_type("u64"))


SWITCHED = Switched()
register_unwinder(None, SWITCHED, replace=True)


def switch(wanted):
    if "x86-64" not in gdb.execute("show architecture", to_string=True):
        raise Missing("switching is for x86-64")
    SWITCHED.set({})
    it = all_green_threads().suspended(wanted)
    gdb.write("%s\n" % it)
    SWITCHED.set(it.registers())


class Greenloop(gdb.Command):
    """Green threads: greenloop threads, bt ID, switch ID, back, core FILE."""

    def __init__(self):
        super().__init__("greenloop", gdb.COMMAND_STACK, prefix=True)


class Command(gdb.Command):
    def __init__(self):
        name = "greenloop " + type(self).__name__.lower()
        super().__init__(name, gdb.COMMAND_STACK, self.completes)

    completes = gdb.COMPLETE_NONE

    def invoke(self, argument, from_tty):
        try:
            self.run(argument.strip())
        except (Missing, gdb.error, OSError) as error:
            raise gdb.GdbError(str(error)) from error


class Threads(Command):
    """Lists the green threads: id, name, what each waits for, and where it was spawned."""

    def run(self, _):
        count = 0
        for it in all_green_threads():
            count += 1
            gdb.write("%s\n" % it)
        gdb.write("%d green threads\n" % count)


class Switch(Command):
    """Lets bt, up, frame and info locals speak of a suspended green thread: greenloop switch ID

The frames begin with number 1; number 0 is still that of the OS thread."""

    def run(self, wanted):
        switch(wanted)
        gdb.execute("frame 1")


class Back(Command):
    """Ends `greenloop switch`."""

    def run(self, _):
        SWITCHED.set({})


class Bt(Command):
    """Prints the backtrace of a suspended green thread: greenloop bt ID"""

    def run(self, wanted):
        switch(wanted)
        try:
            lines = gdb.execute("backtrace", to_string=True).splitlines(keepends=True)
            gdb.write("".join(it for it in lines if not it.startswith("#0 ")))
        finally:
            SWITCHED.set({})


class Core(Command):
    """Writes a core of a live process, with all stacks: greenloop core FILE

gdb's own generate-core-file gives a mapping up at the first guard in it, and stacks lie between
guards."""

    completes = gdb.COMPLETE_FILENAME

    def run(self, file):
        if not file:
            raise Missing("where to? A file is wanted")
        tops = [it.stack_top for it in all_green_threads()]
        gdb.execute("generate-core-file " + file)
        with Path(file).expanduser().open("r+b") as core:
            for start, size, offset in mappings(core):
                if any(start < top <= start + size for top in tops):
                    copy(start, size, core, offset)
        gdb.write("Added the stacks to it\n")


def mappings(core):
    """Address, size and place in the file of each mapping in a core."""
    header = core.read(64)
    table, size, count = struct.unpack_from("=32xQ14xHH", header)
    core.seek(table)
    programs = struct.unpack("=" + "IIQQQQQQ" * count, core.read(size * count))
    for nth in range(count):
        kind, _, offset, start, _, size, _, _ = programs[8 * nth : 8 * nth + 8]
        if kind == LOADED:
            yield start, size, offset


def copy(start, size, core, offset):
    """Copies the pages of a mapping that are in use."""
    inferior = gdb.selected_inferior()
    with open("/proc/%d/pagemap" % inferior.pid, "rb") as pages:
        pages.seek(start // PAGE * 8)
        entries = struct.unpack("=%dQ" % (size // PAGE), pages.read(size // PAGE * 8))
    for nth, entry in enumerate(entries):
        if not entry >> USED_BITS:
            continue
        try:
            memory = inferior.read_memory(start + nth * PAGE, PAGE)
        except gdb.MemoryError:
            continue  # a guard
        core.seek(offset + nth * PAGE)
        core.write(memory)


for command in (Greenloop, Threads, Switch, Back, Bt, Core):
    command()


def forget(_):
    """The program goes on, or is another one: what was switched to is no more."""
    SWITCHED.registers = {}


gdb.events.cont.connect(forget)
gdb.events.exited.connect(forget)
