from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def tail(self, items):
        for item in items:
            print(item.script_name, "ended", item.outcome.name, "with", len(item.logs), "logs")
