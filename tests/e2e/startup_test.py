#!/usr/bin/env python3
"""Starting where something is missing, and the command line."""

import ctypes
import os
import re
import resource
import struct
import subprocess
import unittest
from pathlib import Path

from harness import CHECKOUT, KIB, MIB, PATIENCE, EndToEnd, main, programs, random_bytes, request, wait_until

PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
CAP_IPC_LOCK = 14
CAP_SYS_RESOURCE = 24
# linux/unistd.h: the same numbers on every architecture.
IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER = 425, 426, 427

LIBC = ctypes.CDLL(None, use_errno=True)


def bpf(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def refuse_system_calls(numbers, error):
    """For the child: from now on these system calls fail with that error (seccomp(2))."""
    load_number, jump_if_equal, give_back = 0x20, 0x15, 0x06
    program = bpf(load_number, 0)
    for index, number in enumerate(numbers):
        program += bpf(jump_if_equal, number, if_true=len(numbers) - index)
    program += bpf(give_back, SECCOMP_RET_ALLOW) + bpf(give_back, SECCOMP_RET_ERRNO | error)
    instructions = ctypes.create_string_buffer(program)
    filter_program = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))

    def install():
        if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            os._exit(98)
        if LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program, 0, 0):
            os._exit(99)

    install.keeps = instructions  # the pointer in filter_program points there
    return install


def limit(what, soft, hard=None):
    """For the child: a resource limit."""
    return lambda: resource.setrlimit(what, (soft, soft if hard is None else hard))


def without_lock_capability(locked_bytes):
    """For the child: little memory may be locked, and no capability to lock more survives the exec."""
    def prepare():
        LIBC.prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0)  # fails without root, who has it not then
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (locked_bytes, locked_bytes))

    return prepare


def has_capability(number):
    """Whether this process, and so a server of its, has it."""
    effective = re.search(r"^CapEff:\s+([0-9a-f]+)$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    return bool(int(effective.group(1), 16) >> number & 1)


def may_limit_locked_memory_to(locked_bytes):
    """Whether that is not above the hard limit, or may be."""
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    return hard == resource.RLIM_INFINITY or hard >= locked_bytes or has_capability(CAP_SYS_RESOURCE)


class Startup(EndToEnd):
    """The surroundings."""

    def assert_blocked(self, server, *words):
        server.spawn()
        try:
            wait_until(lambda: not server.is_running(), "a server without io_uring ends", patience=10)
        except AssertionError:
            server.kill9()  # no signal may reach it
            raise
        self.assertEqual(server.wait(), 78, server.log())
        lines = server.log().splitlines()
        self.assertEqual(len(lines), 1, f"one message: {lines}")
        for word in ("ringdrop: ", "io_uring", *words):
            self.assertIn(word, lines[0])

    def test_io_uring_blocked_with_eperm_is_one_message_and_78(self):
        prepare = refuse_system_calls([IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER], 1)
        self.assert_blocked(self.server(start=False, prepare=prepare), "seccomp", "EPERM")

    def test_io_uring_hidden_with_enosys_is_one_message_and_78(self):
        prepare = refuse_system_calls([IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER], 38)
        self.assert_blocked(self.server(start=False, prepare=prepare), "missing", "Linux 6.1")

    def test_io_uring_too_old_for_the_flags_is_one_message_and_78(self):
        self.assert_blocked(self.server(start=False, prepare=refuse_system_calls([IO_URING_SETUP], 22)), "too old")

    def test_io_uring_that_can_be_set_up_and_not_used_is_one_message_and_78(self):
        for number in (IO_URING_ENTER, IO_URING_REGISTER):
            with self.subTest(number=number):
                self.assert_blocked(self.server(start=False, prepare=refuse_system_calls([number], 1)))

    def test_a_blocked_io_uring_leaves_no_data_directory(self):
        server = self.server(start=False, prepare=refuse_system_calls([IO_URING_SETUP], 1))
        self.assert_blocked(server)
        self.assertFalse(server.data.exists())

    def assert_works(self, server):
        for size in (10, 100 * KIB, 6 * MIB + 1):
            body = random_bytes(size, size)
            self.assertEqual(server.get(server.put("x", body)).body, body)

    def warnings(self, server):
        return [line for line in server.log().splitlines() if " warning " in line]

    def test_little_lockable_memory_is_one_warning_and_works(self):
        for locked in (2 * MIB, 8 * MIB):
            with self.subTest(locked=locked):
                server = self.server(prepare=without_lock_capability(locked))
                self.assert_works(server)
                about = [line for line in self.warnings(server) if "RLIMIT_MEMLOCK" in line]
                self.assertEqual(len(about), 1, server.log())
                self.assertEqual(server.stop(), 0)

    @unittest.skipUnless(may_limit_locked_memory_to(12 * MIB), "the hard limit of locked memory is lower")
    def test_lockable_memory_for_all_that_is_ever_registered_is_enough(self):
        """Three quarters of memory_budget."""
        for locked, warnings in ((12 * MIB - 1, 1), (12 * MIB, 0)):
            with self.subTest(locked=locked):
                server = self.server("--loops=1", "--memory-budget=16MiB", prepare=without_lock_capability(locked))
                self.assertEqual(server.log().count("RLIMIT_MEMLOCK"), warnings, server.log())
                self.assert_works(server)

    def test_no_lockable_memory_is_one_warning_or_where_the_kernel_counts_rings_one_message(self):
        """Up to Linux 5.11 and from 6.14 on the rings themselves are counted: there is no io_uring without them."""
        for locked in (0, 64 * KIB):
            with self.subTest(locked=locked):
                server = self.server(start=False, prepare=without_lock_capability(locked)).spawn()
                wait_until(lambda: "listening" in server.log() or not server.is_running(), "it has decided")
                if server.is_running():
                    self.assert_works(server)
                else:
                    self.assertEqual(server.wait(), 78)
                    self.assertEqual(len(server.log().splitlines()), 1, server.log())
                self.assertEqual(server.log().count("RLIMIT_MEMLOCK"), 1, server.log())

    @unittest.skipUnless(has_capability(CAP_IPC_LOCK), "this user has no CAP_IPC_LOCK")
    def test_the_capability_to_lock_memory_saves_the_warning(self):
        server = self.server()
        self.assertNotIn("RLIMIT_MEMLOCK", server.log())
        self.assert_works(server)

    def test_a_directory_with_the_name_of_a_blob_stops_no_start_and_is_left_alone(self):
        server = self.server()
        path = server.put("kept", b"kept" * 5000)
        server.kill9()
        file = server.data / server.stored_files()[0]
        stranger = file.with_name("0ff")
        stranger.mkdir()
        unfinished = file.with_name("0fe")
        unfinished.touch()
        server.start()
        self.assertRegex(server.log(), r"warning \w+/0ff is a directory, not a file of ours: left alone")
        self.assertIn("1 directories looked at, 1 unfinished files removed, 0 files missing", server.log())
        self.assertTrue(stranger.is_dir())
        self.assertFalse(unfinished.exists())
        self.assertEqual(server.get(path).body, b"kept" * 5000)

    def test_few_descriptors_bound_the_connections(self):
        server = self.server("--loops", "1", prepare=limit(resource.RLIMIT_NOFILE, 300))
        self.assertIn("max_connections is 48 instead of 10000: RLIMIT_NOFILE is 300", server.log())
        wires = [server.connect() for _ in range(48)]
        for wire in wires:
            wire.send(request("PUT", "/x", "Content-Length: 20000") + b"x")
        wait_until(lambda: len(server.stored_files()) == 48, "each of them may upload at the same time")
        refused = [server.connect() for _ in range(20)]
        for wire in refused:
            self.assertEqual(wire.read_final().status, 503)
            wire.close()
        for wire in wires:
            self.assertEqual(wire.send(b"x" * 19999).read_final().status, 201)
            wire.close()
        self.assertNotIn("EMFILE", server.log())

    def test_the_descriptor_limit_is_raised_to_the_hard_one(self):
        hard = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        server = self.server(prepare=limit(resource.RLIMIT_NOFILE, 256, hard))
        limits = Path(f"/proc/{server.process.pid}/limits").read_text("ascii")
        self.assertRegex(limits, rf"Max open files +{hard} +{hard}")

    def test_too_few_descriptors_are_one_message_and_78(self):
        server = self.server(start=False, prepare=limit(resource.RLIMIT_NOFILE, 100))
        server.spawn()
        self.assertEqual(server.wait(), 78)
        self.assertIn("RLIMIT_NOFILE", server.log())

    def test_a_data_directory_that_cannot_be_made_is_named(self):
        server = self.server(start=False)
        server.data.write_text("a file")
        server.spawn()
        self.assertEqual(server.wait(), 1)
        self.assertIn(f"the data directory cannot be used ({server.data})", server.log())

    def test_a_catalogue_that_is_none_is_named_and_kept(self):
        server = self.server()
        server.stop()
        for path in server.data.glob("catalogue.sqlite3*"):
            path.unlink()
        broken = server.data / "catalogue.sqlite3"
        broken.write_bytes(b"this is no database at all" * 1000)
        server.spawn()
        self.assertEqual(server.wait(), 1)
        self.assertIn("the catalogue cannot be opened", server.log())
        self.assertEqual(broken.read_bytes(), b"this is no database at all" * 1000)

    def test_links_and_files_are_for_the_server_alone(self):
        """The tokens in the catalogue are secrets, in a directory that somebody else has made too."""
        server = self.server(start=False, prepare=lambda: os.umask(0o022) and None)
        server.data.mkdir(mode=0o755)
        server.start()
        server.put("x", b"x")
        for path in [path for path in server.data.rglob("*") if path.is_file()]:
            with self.subTest(path=path.relative_to(server.directory)):
                self.assertEqual(path.stat().st_mode & 0o077, 0, f"mode {path.stat().st_mode & 0o777:o}")

    def test_a_new_data_directory_is_for_the_server_alone(self):
        server = self.server(prepare=lambda: os.umask(0) and None)
        self.assertEqual(server.data.stat().st_mode & 0o077, 0)

    def test_a_nested_data_directory_with_a_strange_name_works(self):
        server = self.server(start=False)
        server.data = server.directory / "a b" / "ü#%"
        server.data.parent.mkdir()
        server.start()
        self.assert_works(server)

    def test_standard_error_that_is_closed_or_full_stops_nobody(self):
        server = self.server("--log-level", "debug", start=False)
        reader, writer = os.pipe()
        server.listen = [f"unix:{self.directory / 's'}"]
        with subprocess.Popen(server.command(), stdout=subprocess.DEVNULL, stderr=writer) as process:
            os.close(writer)  # and nobody reads
            wait_until((self.directory / "s").exists, "it listens")
            wait_until(lambda: server.exchange(request("GET", "/healthz")).status == 200, "it answers")
            with server.connect() as wire:
                for _ in range(3000):  # a line each: more than a pipe holds
                    self.assertEqual(wire.send(request("GET", "/healthz")).read_final().status, 200)
            os.close(reader)
            self.assertEqual(server.exchange(request("GET", "/healthz")).status, 200)
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)


class CommandLine(EndToEnd):
    """What the program says without serving."""

    def run_program(self, *arguments, **keywords):
        return subprocess.run([programs.ringdrop, *map(str, arguments)], capture_output=True, text=True, check=False,
                              timeout=PATIENCE, stdin=subprocess.DEVNULL, **keywords)

    def check(self, text):
        """check-config of such a file."""
        file = self.directory / "config.toml"
        file.write_text(text)
        return self.run_program("check-config", "--config", file)

    def test_version_and_help_go_to_standard_output_with_0(self):
        version = self.run_program("--version")
        self.assertEqual((version.returncode, version.stderr), (0, ""))
        self.assertRegex(version.stdout, r"^ringdrop \d+\.\d+\.\d+\n$")
        for arguments in (("--help",), ("serve", "--help"), ("check-config", "--help")):
            with self.subTest(arguments=arguments):
                told = self.run_program(*arguments)
                self.assertEqual((told.returncode, told.stderr), (0, ""))
                self.assertIn("--", told.stdout)
        self.assertIn("--max-upload-size", self.run_program("serve", "--help").stdout)

    def test_nothing_and_nonsense_are_64_with_a_hint(self):
        for arguments in ((), ("surve",), ("serve", "--no-such"), ("serve", "--loops"), ("serve", "stray")):
            with self.subTest(arguments=arguments):
                told = self.run_program(*arguments)
                self.assertEqual((told.returncode, told.stdout), (64, ""))
                self.assertNotEqual(told.stderr, "")

    def test_the_example_configuration_is_ok_as_it_is_and_with_every_key_uncommented(self):
        example = (CHECKOUT / "config.example.toml").read_text()
        for text in ("", example, re.sub(r"^#(?=[a-z_]+ = )", "", example, flags=re.MULTILINE)):
            told = self.check(text)
            self.assertEqual((told.returncode, told.stderr), (0, ""))
            self.assertIn("ok", told.stdout)

    def test_what_is_wrong_in_a_configuration_is_named_with_its_line(self):
        for text, line, words in (
                ("\n\nlisten_on = \"x\"\n", 3, ["listen_on", "unknown key"]),
                ("data_dir = \"./d\"\nmax_upload_sise = \"1GiB\"\n", 2, ["max_upload_sise", "max_upload_size"]),
                ("loops = \"many\"\n", 1, ["loops"]),
                ("# a comment\nmax_upload_size = \"40 apples\"\n", 2, ["max_upload_size", "40 apples"]),
                ("stall_timeout = 5\n", 1, ["stall_timeout"]),
                ("listen = [\"127.0.0.1\"]\n", 1, ["listen", "127.0.0.1"]),
                ("durability = \"maybe\"\n", 1, ["durability", "maybe"]),
                ("\nloops = 1\nloops = 2\n", 3, ["loops"]),
                ("loops = 64\n", 1, ["loops", "memory_budget"]),
                ("loops = \n", 1, []),
                ("[table]\nloops = 1\n", 1, ["table"]),
        ):
            with self.subTest(text=text):
                told = self.check(text)
                self.assertEqual((told.returncode, told.stdout), (78, ""))
                self.assertEqual(len(told.stderr.splitlines()), 1, told.stderr)
                self.assertIn(f"config.toml:{line}:", told.stderr)
                for word in words:
                    self.assertIn(word, told.stderr)

    def test_serve_refuses_the_same_configuration_before_it_touches_anything(self):
        (self.directory / "config.toml").write_text("\nbogus = 1\n")
        told = self.run_program("serve", "--config", self.directory / "config.toml", "--data-dir", self.directory / "d")
        self.assertEqual(told.returncode, 78)
        self.assertIn("config.toml:2: bogus", told.stderr)
        self.assertFalse((self.directory / "d").exists())

    def test_a_configuration_that_is_not_there_is_named(self):
        told = self.run_program("check-config", "--config", self.directory / "none.toml")
        self.assertEqual(told.returncode, 78)
        self.assertIn("none.toml", told.stderr)

    def test_a_wrong_option_is_named_and_an_option_wins_over_the_file(self):
        told = self.run_program("serve", "--max-upload-size", "much")
        self.assertEqual(told.returncode, 64)
        self.assertIn("--max-upload-size", told.stderr)
        config = self.directory / "config.toml"
        config.write_text('max_upload_size = "1KiB"\nlog_level = "warn"\n')
        server = self.server("--config", str(config), "--max-upload-size", "2KiB", "--log-level", "info")
        self.assertEqual(server.exchange(request("PUT", "/x", body=bytes(2048))).status, 201)
        self.assertEqual(server.exchange(request("PUT", "/x", body=bytes(2049))).status, 413)


if __name__ == "__main__":
    main()
