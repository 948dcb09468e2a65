"""Green threads, as they lie in the memory of a program: what gdb's and lldb's commands share.

Nothing in here knows a debugger. `Program` says what one has to tell.
"""

# runtime/src/word.rs
STATE = 7
STATES = {1: "unstarted", 2: "running", 3: "waiting"}
TOKEN = 1 << 3
OS_THREAD = 1 << 8
HOME_SHIFT = 16
NOWHERE = 0xFFFF
# runtime/src/reason.rs
SLEEP = 1
WAITS = {
    0: "to be unparked",
    SLEEP: "for time to pass",
    2: "to read from descriptor {}",
    3: "to write to descriptor {}",
    4: "for the end of green thread {}",
    5: "for the end of its scope",
    6: "for one of several things",
    7: "for the end of job {} of the blocking pool",
}
THINGS = 16
PAYLOAD_BITS = 56
BOUNDED = 1 << 63
# corosensei, x86-64: what lies at the stack pointer of a suspended one, lowest first.
SAVED = ["rip", "rbx", "rbp"]
# The function below all others on its stack. What lies below that belongs to whoever ran it last.
ROOT = "stack_init_trampoline"
# Rust: two counts before what an Arc shares; an address and a length for a slice.
COUNTS = 16
FAT = 16


class Missing(Exception):
    """What was asked for is not there; the message says why."""


class Program:
    """What a debugger has to tell of a program."""

    def variable(self, name):
        """Address and type of a static variable; None if there is none."""
        raise NotImplementedError

    def type(self, name):
        raise NotImplementedError

    def size(self, type):
        raise NotImplementedError

    def fields(self, type):
        """Offset and type of each field, by its name, in the order of the source."""
        raise NotImplementedError

    def enumerators(self, type):
        """The names of an enumeration, by their numbers."""
        raise NotImplementedError

    def read(self, address, size):
        """Bytes of the memory."""
        raise NotImplementedError

    def offset(self, type, *path):
        """Where a field of a field of … a type lies in it."""
        total = 0
        for name in path:
            fields = self.fields(type)
            if name not in fields:
                raise Missing("%s has no field %s: it is of another Greenloop" % (type, name))
            offset, type = fields[name]
            total += offset
        return total

    def words(self, address, count):
        memory = self.read(address, 8 * count)
        return [word(memory, at) for at in range(0, len(memory), 8)]

    def text(self, start, length):
        return self.read(start, length).decode(errors="replace")


def word(memory, at):
    return int.from_bytes(memory[at : at + 8], "little")


class Header:
    """Where things lie in a header.

    A wrapper's only field lies at its beginning; so does what is in an Option whose None is a zero.
    """

    def __init__(self, program):
        header = program.type("greenloop_runtime::header::Header")
        label = program.type("greenloop_runtime::stack::Label")
        thread = program.type("greenloop_runtime::thread::Thread")
        coroutine = program.type("greenloop_runtime::coroutine::Coroutine")
        self.size = program.size(header)
        self.word = program.offset(header, "word")
        self.wait = program.offset(header, "wait")
        self.stack_top = program.offset(header, "stack_top")
        self.stack_pointer = program.offset(header, "coroutine")
        self.stack_pointer += program.offset(coroutine, "__0", "stack_ptr")
        its_label = program.offset(header, "label")
        self.place = its_label + program.offset(label, "location")
        place = program.type("core::panic::location::Location")
        self.line = program.offset(place, "line")
        # Its first field, whose name has changed between versions of Rust.
        self.file, _ = next(iter(program.fields(place).values()))
        its_thread = its_label + program.offset(label, "thread")
        self.id = its_thread + program.offset(thread, "id")
        self.name = its_thread + program.offset(thread, "name")


class GreenThreads:
    """All green threads of a program."""

    def __init__(self, program):
        self.program = program
        symbol = "greenloop_runtime::header::SLABS"
        self.slabs = program.variable(symbol)
        if self.slabs is None:
            why = "this is no Greenloop program, or it has no debug information"
            raise Missing("no %s: %s" % (symbol, why))
        self.at = Header(program)
        self.things = program.enumerators(program.type("greenloop_runtime::reason::Thing"))
        self.places = {}

    def __iter__(self):
        for start, length in self.arrays():
            memory = self.program.read(start, length * self.at.size)
            for begin in range(0, len(memory), self.at.size):
                it = GreenThread(self, memory[begin : begin + self.at.size])
                if it.state and not it.word & OS_THREAD:
                    yield it

    def arrays(self):
        """Address and length of each array of headers."""
        address, lock = self.slabs
        vector = "value", "value"
        first = address + self.program.offset(lock, *vector, "buf", "inner", "ptr")
        count = address + self.program.offset(lock, *vector, "len")
        [first], [count] = self.program.words(first, 1), self.program.words(count, 1)
        for nth in range(count):
            yield self.program.words(first + nth * FAT, 2)

    def find(self, wanted):
        """The one with this id or name."""
        for it in self:
            if wanted in (str(it.id), it.name):
                return it
        raise Missing("there is no green thread %s" % wanted)

    def suspended(self, wanted):
        """The one with this id or name, whose stack can be looked at."""
        if not wanted:
            raise Missing("which green thread? Its id or its name is wanted")
        it = self.find(wanted)
        if not it.stack_pointer:
            raise Missing("green thread %d has no stack to look at: it is %s" % (it.id, it.state))
        return it

    def place(self, address):
        """Where a Location points to, as file:line."""
        if address not in self.places:
            text = self.program.text(*self.program.words(address + self.at.file, 2))
            line = self.program.read(address + self.at.line, 4)
            self.places[address] = "%s:%d" % (text, int.from_bytes(line, "little"))
        return self.places[address]


class GreenThread:
    """One of them, when its header was read."""

    def __init__(self, threads, header):
        self.threads, self.header = threads, header
        self.word = word(header, threads.at.word)
        self.state = STATES.get(self.word & STATE)
        self.home = self.word >> HOME_SHIFT & NOWHERE
        self.id = word(header, threads.at.id)
        self.stack_top = word(header, threads.at.stack_top)
        self.stack_pointer = self.its_stack_pointer()
        if self.stack_pointer and (self.state == "running" or self.word & TOKEN):
            self.state = "ready"

    def its_stack_pointer(self):
        """Where its registers are; 0 if it runs or has no stack."""
        has_stack = self.state != "unstarted" and self.stack_top
        return word(self.header, self.threads.at.stack_pointer) if has_stack else 0

    @property
    def name(self):
        at = self.threads.at.name
        start, length = word(self.header, at), word(self.header, at + 8)
        return self.threads.program.text(start + COUNTS, length) if start else None

    def registers(self):
        """Those that a suspended one has kept; nobody asks for the others."""
        saved = self.threads.program.words(self.stack_pointer, len(SAVED))
        return dict(zip(SAVED, saved), rsp=self.stack_pointer + 8 * len(SAVED))

    def waits(self):
        if self.state != "waiting":
            return self.state
        wait = word(self.header, self.threads.at.wait)
        kind, payload = (wait & ~BOUNDED) >> PAYLOAD_BITS, wait & ((1 << PAYLOAD_BITS) - 1)
        bounded = ", for a limited time" if wait & BOUNDED and kind != SLEEP else ""
        if kind in WAITS:
            return "waits " + WAITS[kind].format(payload) + bounded
        thing = self.threads.things.get(kind - THINGS, "something")
        return "waits for %s at %#x%s" % (thing, payload, bounded)

    def title(self):
        name = self.name
        return "green thread %d%s" % (self.id, "" if name is None else " '%s'" % name)

    def __str__(self):
        home = "" if self.home == NOWHERE else ", on worker %d" % self.home
        place = self.threads.place(word(self.header, self.threads.at.place))
        return "%s: %s%s; spawned at %s" % (self.title(), self.waits(), home, place)
