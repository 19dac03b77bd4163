#!/bin/sh
# run.sh PYTHON DIRECTORY PYTEST-ARGUMENT...: the functional tests, in two runs side by side. Those of
# the user's tool take little of a processor: they wait for servers.
set -u
python=$1
directory=$2
shift 2

"$python" -m pytest -o cache_dir=.pytest_cache/user "$@" "$directory"/test_9*.py >user.log 2>&1 &
"$python" -m pytest -o cache_dir=.pytest_cache/server "$@" --ignore-glob="$directory/test_9*.py" \
    "$directory"
server=$?
wait $!
user=$?
cat user.log

# pytest ends with 5 if its arguments choose no test.
case $server/$user in
0/0 | 0/5 | 5/0) ;;
*) exit 1 ;;
esac
