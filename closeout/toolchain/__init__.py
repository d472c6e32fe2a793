"""What turns sources into artifacts: the compiler, its settings, the build. Knows no Ape and no chain."""
