// The known compiler hazards are a test: every form of co_await that the code base relies on, with objects that count
// themselves, on every compiler and at every optimisation level that we build with.
//
// GCC 12.2 (Debian 12) miscompiles or refuses other forms. They are forbidden, and they are not run here, since what
// they do is undefined:
//
//   co_await f({.limit = 1, .name = std::string()})   an aggregate with a non-trivial member as a prvalue argument,
//   with co_await f(Options{...})                          or without its name: the member is destroyed twice. Make it
//   a named
//                                                     local and std::move it, or give it a constructor.
//   co_await f([name] { ... })                        a closure with a non-trivial capture by value: the same. `[&]`,
//   and
//                                                     captures of trivially destructible values, are fine.
//   co_await Aggregate{...}                           an aggregate with a non-trivial member as the awaiter: the same.
//                                                     Awaiters have constructors.
//   c ? R(co_await g()) : R(...)                      co_await in a branch of ?: with a class type: destroyed twice or
//                                                     not at all. Write an if.
//   co_await f({"a", "b"})                            a braced list of class type in the same full expression:
//                                                     does not compile. Name the list.
//   TRY(co_await f())                                 a GNU statement expression around a co_await: the compiler
//   crashes. [x]() -> Task<> { co_await ...; }                 a coroutine lambda with captures: legal, but the
//   captures are
//                                                     members of the closure, not of the frame, and dangle when the
//                                                     closure goes first. No compiler warns.
#include <doctest/doctest.h>
#include <unistd.h>

#include <coroutine>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/pending.h"
#include "io/wait_list.h"
#include "io/worker.h"
#include "tests/io/counted.h"
#include "tests/io/test_loop.h"

namespace ringdrop::test {
namespace {

using io::Result;
using io::Task;

// Suspends for one turn of the loop; a class type with a constructor, a non-trivial member and no way to be moved, as
// Pending and WaitList::Waiter are.
class [[nodiscard]] NextTurn {
 public:
  NextTurn(io::EventLoop& loop, Counted value) : loop_(loop), value_(std::move(value)) {}
  NextTurn(const NextTurn&) = delete;
  NextTurn& operator=(const NextTurn&) = delete;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) { loop_.resume_soon(coroutine, "a test"); }
  Counted await_resume() { return std::move(value_); }

 private:
  io::EventLoop& loop_;
  Counted value_;
};

// By a braced return, as Socket's functions make their Pending.
NextTurn next_turn(io::EventLoop& loop, Counted value) {
  return {loop, std::move(value)};
}

struct TrivialOptions {
  int add = 0;
  const char* text = "";
  Counted* other = nullptr;
};

Task<int> value_of(io::EventLoop& loop, Counted counted) {
  const Counted later = co_await next_turn(loop, std::move(counted));
  co_return later.value();
}

Task<int> value_at_once(Counted counted) {
  co_return counted.value();
}

Task<int> add(io::EventLoop& loop, TrivialOptions options, const Counted& counted) {
  Counted copy = counted;
  const Counted later = co_await next_turn(loop, std::move(copy));
  co_return later.value() + options.add;
}

Task<Result<Counted>> find(io::EventLoop& loop, Ledger& ledger, int value) {
  Counted counted(ledger, value);
  const Counted later = co_await next_turn(loop, std::move(counted));
  if (later.value() < 0) co_return io::fail(io::Errc::not_found, "find");
  co_return later;
}

Task<std::vector<Counted>> list(io::EventLoop& loop, Ledger& ledger, int count) {
  std::vector<Counted> all;
  for (int i = 0; i < count; ++i) {
    Counted counted(ledger, i);
    all.push_back(co_await next_turn(loop, std::move(counted)));
  }
  co_return all;
}

Task<Result<>> named_locals(io::EventLoop& loop, Ledger& ledger, int& sum) {
  Counted first(ledger, 1);
  sum += co_await value_of(loop, std::move(first));
  Counted second(ledger, 2);
  sum += co_await value_at_once(std::move(second));
  sum += co_await value_at_once(Counted(ledger, 3));  // a class type with a constructor, as a prvalue
  Task<int> named = value_of(loop, Counted(ledger, 4));
  sum += co_await std::move(named);
  const Task<int> never_awaited = value_at_once(Counted(ledger, 5));
  co_return Result<>{};
}

Task<> prvalue_awaiters(io::EventLoop& loop, Ledger& ledger, int& sum) {
  Counted first(ledger, 1);
  const Counted later = co_await next_turn(loop, std::move(first));
  const Counted built = co_await NextTurn(loop, Counted(ledger, 2));
  co_await next_turn(loop, Counted(ledger, 3));
  sum += later.value() + built.value();
  std::optional<Counted> kept;
  kept.emplace(co_await next_turn(loop, Counted(ledger, 4)));
  sum += kept->value();
}

Task<> trivial_options(io::EventLoop& loop, Ledger& ledger, int& sum) {
  Counted counted(ledger, 1);
  sum += co_await add(loop, TrivialOptions{.add = 10, .text = "x"}, counted);
  sum += co_await add(loop, {.add = 100, .other = &counted}, counted);
}

Task<> results(io::EventLoop& loop, Ledger& ledger, int& sum, int& failures) {
  auto found = co_await find(loop, ledger, 1);
  if (!found) co_return;
  sum += found->value();
  const Result<Counted> second = co_await find(loop, ledger, 2);
  sum += second->value();
  const Result<Counted> missing = co_await find(loop, ledger, -5);
  if (!missing) ++failures;
  static_cast<void>(co_await find(loop, ledger, 3));
  if (const auto third = co_await find(loop, ledger, 4)) sum += third->value();
  found = co_await find(loop, ledger, 5);
  sum += found->value();
}

Task<> range_for(io::EventLoop& loop, Ledger& ledger, int& sum) {
  for (const Counted& counted : co_await list(loop, ledger, 5)) {
    const Counted later = co_await next_turn(loop, counted);
    sum += later.value();
  }
}

Task<bool> below(io::EventLoop& loop, Counted counted, int limit) {
  const Counted later = co_await next_turn(loop, std::move(counted));
  co_return later.value() < limit;
}

Task<int> conditions(io::EventLoop& loop, Ledger& ledger) {
  int count = 0;
  while (co_await below(loop, Counted(ledger, count), 7)) ++count;
  if (co_await below(loop, Counted(ledger, 1), 2)) ++count;
  co_return co_await value_of(loop, Counted(ledger, count));
}

}  // namespace

TEST_CASE("named locals moved into an awaited call are destroyed once") {
  Ledger ledger;
  TestLoop fixture;
  int sum = 0;
  CHECK(fixture.run(named_locals(fixture.loop(), ledger, sum)).has_value());
  CHECK(sum == 10);
  CHECK(ledger.balanced());
}

TEST_CASE("immovable awaiters with a destructor, made in the co_await expression, are destroyed once") {
  Ledger ledger;
  TestLoop fixture;
  int sum = 0;
  fixture.run(prvalue_awaiters(fixture.loop(), ledger, sum));
  CHECK(sum == 7);
  CHECK(ledger.balanced());
}

TEST_CASE("a trivially destructible struct of options may stand in the expression") {
  static_assert(std::is_trivially_destructible_v<TrivialOptions> && std::is_trivially_destructible_v<io::Error> &&
                std::is_trivially_destructible_v<io::Request>);
  Ledger ledger;
  TestLoop fixture;
  int sum = 0;
  fixture.run(trivial_options(fixture.loop(), ledger, sum));
  CHECK(sum == 112);
  CHECK(ledger.balanced());
}

TEST_CASE("a Result is looked at after the co_await: with if, by assignment, or thrown away") {
  Ledger ledger;
  TestLoop fixture;
  int sum = 0;
  int failures = 0;
  fixture.run(results(fixture.loop(), ledger, sum, failures));
  CHECK(sum == 12);
  CHECK(failures == 1);
  CHECK(ledger.balanced());
}

TEST_CASE("a range-for over an awaited vector keeps it until its end, across suspensions") {
  Ledger ledger;
  TestLoop fixture;
  int sum = 0;
  fixture.run(range_for(fixture.loop(), ledger, sum));
  CHECK(sum == 10);
  CHECK(ledger.balanced());
}

TEST_CASE("co_await in a while, an if and a co_return") {
  Ledger ledger;
  TestLoop fixture;
  CHECK(fixture.run(conditions(fixture.loop(), ledger)) == 8);
  CHECK(ledger.balanced());
}

namespace {

Task<> lambdas(io::EventLoop& loop, io::Lane& lane, std::string& text) {
  const std::string captured = "a string that is too long to be kept inside of its object";
  const Result<std::string> twice = co_await io::run_on(loop, lane, [&] { return captured + captured; });
  text = *twice;
  // Trivially destructible captures by value are sound too.
  const auto size = captured.size();
  auto length = co_await io::run_on(loop, lane, [size] { return size; });
  if (!length) co_return;
  text.resize(*length);
}

Task<> pendings(io::EventLoop& loop, int pipe_end, std::string& text) {
  std::string into(16, '\0');
  io::Request request;
  request.op = io::Op::read;
  request.fd = pipe_end;
  request.data = reinterpret_cast<std::byte*>(into.data());
  request.bytes = into.size();
  request.offset = io::kNoOffset;
  const std::stop_source stop;
  const std::stop_token token = stop.get_token();
  for (int i = 0; i < 3; ++i) {
    const auto got =
        co_await io::Pending<std::size_t>(loop, "read", request, loop.now() + std::chrono::minutes(1), &token);
    if (got) text += into.substr(0, *got);
  }
}

Task<> waiters(io::EventLoop& loop, io::WaitList& list, std::stop_token stop, int& woken) {
  for (int i = 0; i < 3; ++i) {
    const Result<> waited = co_await list.wait(loop.now() + std::chrono::minutes(1), stop);
    if (waited) ++woken;
    static_cast<void>(co_await list.wait());
    ++woken;
  }
}

}  // namespace

TEST_CASE("a [&] lambda that is awaited at once may use the locals of its coroutine") {
  TestLoop fixture;
  io::WorkerLane lane("test", 1, 8);
  std::string text;
  fixture.run(lambdas(fixture.loop(), lane, text));
  CHECK(text == "a string that is too long to be kept inside of its object");
}

TEST_CASE("Pending, with deadline and stop, is awaited as a prvalue again and again") {
  TestLoop fixture;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const io::OwnedFd reading(fixture.ring(), ends[0]);
  const io::OwnedFd writing(fixture.ring(), ends[1]);
  std::string text;
  io::TaskScope scope(fixture.loop());
  scope.spawn(pendings(fixture.loop(), ends[0], text));
  for (int i = 1; i <= 3; ++i) {
    REQUIRE(write(ends[1], "abc", 3) == 3);
    while (text.size() < static_cast<std::size_t>(3 * i)) fixture.loop().turn();
  }
  fixture.drain(scope);
  CHECK(text == "abcabcabc");
  CHECK(fixture.loop().timers().size() == 0);
}

TEST_CASE("WaitList's waiter, with deadline and stop, is awaited as a prvalue again and again") {
  TestLoop fixture;
  io::WaitList list(fixture.loop(), "a test");
  int woken = 0;
  io::TaskScope scope(fixture.loop());
  scope.spawn(waiters(fixture.loop(), list, scope.stop_token(), woken));
  while (scope.size() > 0) {
    list.wake_one();
    fixture.turn_at_once();
  }
  CHECK(woken == 6);
  CHECK(fixture.loop().timers().size() == 0);
}

}  // namespace ringdrop::test
