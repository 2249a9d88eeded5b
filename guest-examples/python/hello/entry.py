from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = "/" + request.url.split("/", 3)[3]
        print(f"asked for {path}")
        return Response(f"{self.env.GREETING} from {path}\n")
