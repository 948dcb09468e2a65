"""Commands for gdb that know green threads, in a live process or a core:

    (gdb) source greenloop.py
    (gdb) greenloop threads          lists the green threads
    (gdb) greenloop bt 17            the backtrace of a suspended one, by its id or its name
    (gdb) greenloop switch 17        from here on bt, up, frame, info locals speak of that one
    (gdb) greenloop back             and no more

Needs the program's debug information (a dev build has it; `debug = 1` in a release profile is not
enough, `debug = 2` is). Writes nothing into the program: no register of it is changed, so it can go
on afterwards, and a core will do. Switching is for x86-64.
"""

import gdb
from gdb.unwinder import Unwinder, register_unwinder

# runtime/src/word.rs
STATES = {1: "unstarted", 2: "running", 3: "waiting"}
TOKEN = 1 << 3
OS_THREAD = 1 << 8
NOWHERE = 0xFFFF
# runtime/src/reason.rs
WAITS = {
    0: "to be unparked",
    1: "for time to pass",
    2: "to read from descriptor {}",
    3: "to write to descriptor {}",
    4: "for the end of green thread {}",
    5: "for the end of its scope",
    6: "for one of several things",
}
THINGS = 16
PAYLOAD_BITS = 56
# corosensei: instruction, rbx, rbp of a suspended one, at its stack pointer.
SAVED = 24


def fields(value):
    return [it for it in value.type.strip_typedefs().fields() if it.type.sizeof]


def only(value):
    """The number or pointer inside of wrappers, each with one field that has a size."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value[fields(value)[0]]
    return value


def number(value):
    return int(only(value))


def word(address):
    pointer = gdb.lookup_type("u64").pointer()
    return int(gdb.Value(address).cast(pointer).dereference())


def text(fat):
    """What a fat pointer to a str points to."""
    while fat.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT and "data_ptr" not in names(fat):
        fat = fat[fields(fat)[0]]
    start, length = int(fat["data_ptr"]), int(fat["length"])
    return decode(start, length)


def decode(start, length):
    return gdb.selected_inferior().read_memory(start, length).tobytes().decode(errors="replace")


def names(value):
    return [it.name for it in value.type.strip_typedefs().fields()]


def inside_option(option):
    """What an Option whose None is a zero would hold."""
    return gdb.Value(int(option.address)).cast(
        option.type.strip_typedefs().template_argument(0).pointer()
    ).dereference()


class GreenThread:
    """One green thread, as it lies in the memory of the program."""

    def __init__(self, header, word):
        self.header = header
        self.state = STATES.get(word & 7)
        if self.state == "waiting" and word & TOKEN:
            self.state = "ready"
        self.home = word >> 16 & 0xFFFF
        label = header["label"]["value"]
        thread = inside_option(label["thread"])
        self.id = number(thread["id"])
        self.name = self.read_name(thread["name"])
        place = label["location"].dereference()
        self.place = "%s:%d" % (text(place[place.type.fields()[0]]), int(place["line"]))
        if self.state == "running" and self.stack_pointer():
            self.state = "ready"

    @staticmethod
    def read_name(name):
        start, length = word(int(name.address)), word(int(name.address) + 8)
        # An Arc: two counts come before the text.
        return decode(start + 16, length) if start else None

    def stack_pointer(self):
        """Where its registers are; 0 if it runs or has no stack."""
        coroutine = self.header["coroutine"]["value"]
        inner = inside_option(coroutine)
        pointer = inner[inner.type.fields()[0]]["stack_ptr"]
        return word(int(pointer.address)) if self.has_stack() else 0

    def has_stack(self):
        return self.state != "unstarted" and int(only(self.header["stack_top"])) != 0

    def waits(self):
        if self.state != "waiting":
            return self.state
        wait = number(self.header["wait"])
        kind, payload = wait >> PAYLOAD_BITS, wait & ((1 << PAYLOAD_BITS) - 1)
        if kind in WAITS:
            return "waits " + WAITS[kind].format(payload)
        return "waits for %s at %#x" % (thing(kind - THINGS), payload)

    def __str__(self):
        name = "" if self.name is None else " '%s'" % self.name
        home = "" if self.home == NOWHERE else ", on worker %d" % self.home
        return "%d%s: %s%s; spawned at %s" % (self.id, name, self.waits(), home, self.place)


def thing(nth):
    for it in gdb.lookup_type("greenloop_runtime::reason::Thing").fields():
        if it.enumval == nth:
            return it.name.split("::")[-1]
    return "something"


def slabs():
    symbol = "greenloop_runtime::header::SLABS"
    found = gdb.lookup_static_symbol(symbol) or gdb.lookup_global_symbol(symbol)
    if found is None:
        why = "this is no Greenloop program, or it has no debug information"
        raise gdb.GdbError("no %s: %s" % (symbol, why))
    vector = found.value()["value"]["value"]
    element = vector.type.template_argument(0)
    first = only(vector["buf"]["inner"]["ptr"])
    start = gdb.Value(int(first)).cast(element.pointer())
    for nth in range(int(vector["len"])):
        yield start[nth]


def green_threads():
    for slab in slabs():
        for nth in range(int(slab["length"])):
            header = slab["data_ptr"][nth]
            state = number(header["word"])
            if state & 7 in STATES and not state & OS_THREAD:
                yield GreenThread(header, state)


def find(wanted):
    for it in green_threads():
        if wanted in (str(it.id), it.name):
            return it
    raise gdb.GdbError("there is no green thread %s" % wanted)


class Frame:
    """The identity of a frame, as gdb wants it."""

    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Switched(Unwinder):
    """Says that the selected thread's first frame was called from a suspended green thread's."""

    def __init__(self):
        super().__init__("greenloop")
        self.stack_pointer = 0

    def set(self, stack_pointer):
        self.stack_pointer = stack_pointer
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if not self.stack_pointer:
            return None
        pc = int(pending.read_register("rip"))
        if pending.level() == 0:
            return self.first(pending, pc)
        return self.last(pending, pc) if is_root(pc) else None

    def first(self, pending, pc):
        info = pending.create_unwind_info(Frame(gdb.Value(self.stack_pointer), gdb.Value(pc)))
        for name, offset in [("rip", 0), ("rbx", 8), ("rbp", 16)]:
            info.add_saved_register(name, register(name, word(self.stack_pointer + offset)))
        info.add_saved_register("rsp", register("rsp", self.stack_pointer + SAVED))
        return info

    @staticmethod
    def last(pending, pc):
        """What lies below belongs to whoever ran it last."""
        sp = int(pending.read_register("rsp"))
        info = pending.create_unwind_info(Frame(gdb.Value(sp), gdb.Value(pc)))
        info.add_saved_register("rip", register("rip", 0))
        info.add_saved_register("rsp", register("rsp", sp))
        return info


def is_root(pc):
    return "stack_init_trampoline" in gdb.execute("info symbol %d" % pc, to_string=True)


def register(name, value):
    """A value of the size of a register; gdb wants no more."""
    return gdb.Value(value).cast(gdb.lookup_type("u64"))


SWITCHED = Switched()
register_unwinder(None, SWITCHED, replace=True)


def switch(wanted):
    if "x86-64" not in gdb.execute("show architecture", to_string=True):
        raise gdb.GdbError("switching is for x86-64")
    SWITCHED.set(0)
    it = find(wanted)
    stack_pointer = it.stack_pointer()
    if not stack_pointer:
        raise gdb.GdbError("green thread %d has no stack to look at: it is %s" % (it.id, it.state))
    SWITCHED.set(stack_pointer)
    return it


class Greenloop(gdb.Command):
    """Green threads: greenloop threads, bt ID, switch ID, back."""

    def __init__(self):
        super().__init__("greenloop", gdb.COMMAND_STACK, prefix=True)


class Threads(gdb.Command):
    """Lists the green threads: id, name, what each waits for, and where it was spawned."""

    def __init__(self):
        super().__init__("greenloop threads", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        count = 0
        for it in green_threads():
            count += 1
            gdb.write("green thread %s\n" % it)
        gdb.write("%d green threads\n" % count)


class Switch(gdb.Command):
    """Lets bt, up, frame and info locals speak of a suspended green thread: greenloop switch ID

The frames begin with number 1; number 0 is still that of the OS thread."""

    def __init__(self):
        super().__init__("greenloop switch", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        gdb.write("green thread %s\n" % switch(argument.strip()))
        gdb.execute("frame 1")


class Back(gdb.Command):
    """Ends `greenloop switch`."""

    def __init__(self):
        super().__init__("greenloop back", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        SWITCHED.set(0)


class Backtrace(gdb.Command):
    """Prints the backtrace of a suspended green thread: greenloop bt ID"""

    def __init__(self):
        super().__init__("greenloop bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        gdb.write("green thread %s\n" % switch(argument.strip()))
        try:
            lines = gdb.execute("backtrace", to_string=True).splitlines(keepends=True)
            gdb.write("".join(it for it in lines if not it.startswith("#0 ")))
        finally:
            SWITCHED.set(0)


for command in (Greenloop, Threads, Switch, Back, Backtrace):
    command()


def forget(_):
    """The program goes on, or is another one: what was switched to is no more."""
    SWITCHED.stack_pointer = 0


gdb.events.cont.connect(forget)
gdb.events.exited.connect(forget)
