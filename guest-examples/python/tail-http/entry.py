from workers import WorkerEntrypoint, events_json, fetch


class Default(WorkerEntrypoint):
    async def tail(self, events):
        headers = {"content-type": "application/json"}
        response = await fetch(self.env.ENDPOINT, "POST", headers, events_json())
        if not response.ok:
            print(f"{self.env.ENDPOINT} answered {response.status}")
