//! Types and functions in the notation of WIT.

use wit_parser::{Function, FunctionKind, Handle, Resolve, Type, TypeDefKind};

/// Returns a function with its parameters and its result.
pub(crate) fn function(resolve: &Resolve, function: &Function) -> String {
    let is_method = matches!(
        function.kind,
        FunctionKind::Method(_) | FunctionKind::AsyncMethod(_)
    );
    let parameters = function.params.iter().skip(usize::from(is_method));
    let parameters: Vec<_> = parameters
        .map(|parameter| format!("{}: {}", parameter.name, ty(resolve, &parameter.ty)))
        .collect();
    let result = function.result.as_ref();
    let result = result.map_or_else(String::new, |result| format!(" -> {}", ty(resolve, result)));
    let name = function.item_name();
    format!("{name}: func({}){result}", parameters.join(", "))
}

/// Returns a type: its name, if it has one.
pub(crate) fn ty(resolve: &Resolve, of: &Type) -> String {
    let name = match of {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(id) => {
            let definition = &resolve.types[*id];
            return match &definition.name {
                Some(name) => name.clone(),
                None => kind(resolve, &definition.kind),
            };
        }
    };
    name.to_owned()
}

/// Returns a type without a name of its own.
pub(crate) fn kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let ty = |of: &Type| ty(resolve, of);
    let optional = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), ty);
    match kind {
        TypeDefKind::Type(of) => ty(of),
        TypeDefKind::Option(of) => format!("option<{}>", ty(of)),
        TypeDefKind::List(of) => format!("list<{}>", ty(of)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(ty).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => "result".to_owned(),
            (Some(ok), None) => format!("result<{}>", ty(ok)),
            (ok, err) => format!("result<{}, {}>", optional(ok), optional(err)),
        },
        TypeDefKind::Handle(Handle::Own(id)) => ty(&Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", ty(&Type::Id(*id))),
        TypeDefKind::Future(of) => format!("future<{}>", optional(of)),
        TypeDefKind::Stream(of) => format!("stream<{}>", optional(of)),
        other => other.as_str().to_owned(),
    }
}
