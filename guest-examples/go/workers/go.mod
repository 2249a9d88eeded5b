module taffrail.dev/workers

go 1.27
