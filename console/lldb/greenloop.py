"""Commands for lldb that know green threads, in a live process or a core:

    (lldb) command script import greenloop.py
    (lldb) greenloop threads          lists the green threads
    (lldb) greenloop bt 17            the backtrace of a suspended one, by its id or its name
    (lldb) greenloop switch 17        makes it the selected thread: bt, up, frame variable
    (lldb) greenloop back             selects the OS thread again

Whatever was looked at is in `thread list` until the program goes on; `thread select` and the like
know it, too. What lldb itself shows below `stack_init_trampoline` belongs to whoever ran it last.

Needs the program's debug information (a dev build has it; a release profile wants `debug = 2`, at
least for the package `greenloop-runtime`). Writes nothing into the program: no register of it is
changed, so it can go on afterwards, and a core will do. Switching is for x86-64.
"""

import sys
from pathlib import Path

import lldb

sys.path.append(str(Path(__file__).resolve().parents[1] / "debugger"))
import green_threads
from green_threads import Missing

# Added to a green thread's id it is that of lldb's thread: Linux gives none as high.
IDS = 1_000_000_000
# In the order of their numbers in debug information.
REGISTERS = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"]
REGISTERS += ["r%d" % nth for nth in range(8, 16)] + ["rip"]
GENERIC = {"rip": "pc", "rsp": "sp", "rbp": "fp"}


class Program(green_threads.Program):
    def __init__(self, process):
        self.process, self.target = process, process.target

    def variable(self, name):
        found = self.target.FindFirstGlobalVariable(name)
        return (found.GetLoadAddress(), found.type) if found else None

    def type(self, name):
        # Not `FindFirstType`, which in lldb 14 stops at the first type of that last name.
        for it in self.target.FindTypes(name):
            if it.name == name:
                return it
        raise Missing("no type %s: the program is of another Greenloop" % name)

    def size(self, type):
        return type.size

    def fields(self, type):
        return {it.name: (it.GetOffsetInBytes(), it.type) for it in type.fields}

    def enumerators(self, type):
        return {it.unsigned: it.name for it in type.enum_members}

    def read(self, address, size):
        if not size:
            return b""
        error = lldb.SBError()
        memory = self.process.ReadMemory(address, size, error)
        if not memory:
            # A core has no constants: the program's file does.
            place = self.target.ResolveLoadAddress(address)
            if not place.section.GetPermissions() & lldb.ePermissionsWritable:
                memory = self.target.ReadMemory(place, size, error)
        if not memory or len(memory) < size:
            raise Missing("%d bytes of memory at %#x are not there" % (size, address))
        return memory


class OperatingSystemPlugIn:
    """What lldb asks for threads beside those of the system."""

    def __init__(self, process):
        self.process = process
        self.registers = {}

    def get_thread_info(self):
        """Asked at each stop: then none has been looked at."""
        self.registers.clear()
        return []

    def create_thread(self, tid, _):
        """Asked by `CreateOSPluginThread`."""
        it = green_threads.GreenThreads(Program(self.process)).find(str(tid - IDS))
        known = it.registers()
        words = [known.get(name, 0) for name in REGISTERS]
        self.registers[tid] = b"".join(it.to_bytes(8, "little") for it in words)
        state = {"state": "stopped", "stop_reason": "none", "queue": ""}
        return dict(state, tid=tid, name=it.title())

    def get_register_info(self):
        numbered = enumerate(REGISTERS)
        return {"sets": ["GPR"], "registers": [register(nth, name) for nth, name in numbered]}

    def get_register_data(self, tid):
        return self.registers[tid]


def register(nth, name):
    it = {"name": name, "set": 0, "bitsize": 64, "offset": 8 * nth}
    it.update(encoding="uint", format="hex", gcc=nth, ehframe=nth, dwarf=nth)
    if name in GENERIC:
        it["generic"] = GENERIC[name]
    return it


def all_green_threads(process):
    if not process or not process.is_alive:
        raise Missing("there is no process: run the program, attach to it, or load a core")
    return green_threads.GreenThreads(Program(process))


def thread_of(process, wanted, result):
    """lldb's thread that stands for a suspended green thread."""
    if not process.target.triple.startswith("x86_64"):
        raise Missing("switching is for x86-64")
    it = all_green_threads(process).suspended(wanted)
    print(it, file=result)
    pc, tid = it.registers()["rip"], IDS + it.id
    thread = process.GetThreadByID(tid) or process.CreateOSPluginThread(tid, 0)
    unwind(thread, pc)
    return thread


def unwind(thread, pc):
    """Finds the frames of a thread that begins there.

    By itself lldb finds the second one by its own reading of the first one's instructions, and
    misses that the switch comes back with other registers. Of what is said to be a trap handler it
    believes the compiler.
    """
    target, setting = thread.process.target, "target.trap-handler-names"
    names = target.debugger.GetInternalVariableValue(setting, target.debugger.GetInstanceName())
    first = target.ResolveLoadAddress(pc).symbol.name
    target.debugger.HandleCommand("settings append %s '%s'" % (setting, first))
    thread.GetNumFrames()
    target.debugger.HandleCommand("settings remove %s %d" % (setting, len(names)))


class Command:
    def __init__(self, debugger, _):
        pass

    def __call__(self, debugger, argument, context, result):
        try:
            self.run(context.process, argument.strip(), result)
        except Missing as error:
            result.SetError(str(error))

    def get_short_help(self):
        return self.__doc__.splitlines()[0]

    def get_long_help(self):
        return self.__doc__


class Threads(Command):
    """Lists the green threads: id, name, what each waits for, and where it was spawned."""

    def run(self, process, _, result):
        count = 0
        for it in all_green_threads(process):
            count += 1
            print(it, file=result)
        print("%d green threads" % count, file=result)


class Switch(Command):
    """Makes a suspended green thread the selected thread: greenloop switch ID"""

    came_from = 0

    def run(self, process, wanted, result):
        thread = thread_of(process, wanted, result)
        if process.selected_thread.id < IDS:
            Switch.came_from = process.selected_thread.id
        process.SetSelectedThread(thread)
        print(thread.frames[0], file=result)


class Back(Command):
    """Ends `greenloop switch`: the OS thread of before is selected again."""

    def run(self, process, _, result):
        if process and process.selected_thread.id >= IDS:
            process.SetSelectedThreadByID(Switch.came_from)
            print(process.selected_thread, file=result)


class Bt(Command):
    """Prints the backtrace of a suspended green thread: greenloop bt ID"""

    def run(self, process, wanted, result):
        for frame in thread_of(process, wanted, result):
            print(frame, file=result)
            if frame.name == green_threads.ROOT:
                break


def __lldb_init_module(debugger, _):
    def tell(command):
        debugger.HandleCommand(command)

    tell("settings set target.process.python-os-plugin-path '%s'" % Path(__file__).resolve())
    tell("command container add -h 'Green threads' greenloop")
    for command in (Threads, Switch, Back, Bt):
        name = command.__name__
        tell("command script add -c greenloop.%s greenloop %s" % (name, name.lower()))
