#!/bin/sh
# Runs a replay program, which automake names as a path, on the corpus of its name.
set -eu
exec "$1" "${srcdir:?is set by make check}/corpus/$(basename "$1")"
